"""The metadata stands in setup.cfg; what is compiled stands here."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        # No module of Python's: `rmfd_cli.compiled` loads it. Without a compiler rmfd does the same in more time.
        Extension(
            "rmfd_cli._compiled",
            ["rmfd_cli/model/convolve.c", "rmfd_cli/model/flow.c", "rmfd_cli/model/passes.c", "rmfd_cli/video/planes.c"],
            include_dirs=["rmfd_cli"],
            depends=[f"rmfd_cli/{name}.h" for name in ("compiled", "model/follow", "model/kernel", "model/rounding")],
            # Errors and traps would keep loops from being vectorised; sums that are not contracted are the same everywhere.
            extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-g0"],
            py_limited_api=True,
            optional=True,
        )
    ]
)
