"""The metadata stands in setup.cfg; what is compiled stands here."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        # No module of Python's: `rmfd_cli.model.native` loads it. Without a compiler rmfd does the same in more time.
        Extension(
            "rmfd_cli.model._passes",
            ["rmfd_cli/model/passes.c"],
            extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math", "-g0"],
            py_limited_api=True,
            optional=True,
        )
    ]
)
