"""The metadata stands in setup.cfg; what is compiled stands here."""

from glob import glob

from setuptools import Extension, setup

setup(
    ext_modules=[
        # No module of Python's: `rmfd_cli.compiled` loads it. Without a compiler rmfd does the same in more time.
        Extension(
            "rmfd_cli._compiled",
            ["rmfd_cli/model/convolve.c", "rmfd_cli/model/flow.c", "rmfd_cli/model/passes.c", "rmfd_cli/video/planes.c"],
            include_dirs=["rmfd_cli"],
            # What is not named here is missing in a source distribution, which then compiles nothing.
            depends=sorted(glob("rmfd_cli/**/*.h", recursive=True)),
            # Errors and traps would keep loops from being vectorised; sums that are not contracted are the same everywhere.
            extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-g0"],
            py_limited_api=True,
            optional=True,
        )
    ]
)
