"""The table in CONTRIBUTING.md, enforced: imports point down, siblings are blind to each other, no file grows a tail."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rmfd_cli"

BASE = {"compiled", "cores", "errors", "files", "metrics", "options", "physics", "stages", "types", "windows"}
ALLOWED = {
    **dict.fromkeys(BASE, BASE),
    "video": {"video", *BASE},
    "rain": {"rain", *BASE},
    "model": {"model", *BASE},
    "clips": {"clips", "video", *BASE},
    "training": {"training", "clips", "video", "rain", "model", *BASE},
    "evaluation": {"evaluation", "clips", "video", *BASE},
    "derain": {"video", *BASE},
    "synth": {"synth", "clips", "video", "rain", *BASE},
    "batch": {"batch", "clips", "derain", "video", *BASE},
    "bench": {"derain", "video", *BASE},
    "cli": {"cli", "batch", "bench", "derain", "evaluation", "synth", "training", "model", "video", *BASE},
    "__init__": set(),
    "__main__": {"cli"},
}
"""Which parts of the package a part may import from."""

OWNERS = {
    "av": {"video"},
    "ffmpeg": {"video"},
    "imageio_ffmpeg": {"video"},
    "filelock": {"synth", "video"},
    "subprocess": {"video"},
    "typer": {"cli"},
    "rich": {"cli"},
    "torch": {"evaluation", "model", "rain", "synth", "training", "physics", "metrics"},
    "safetensors": {"model"},
    "matplotlib": {"evaluation"},
    "onnxscript": {"model"},
}
"""Who may import a library."""

MAX_LINES = 400


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Full names of everything that a module imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "rmfd_cli":
            wanted = rest.split(".")[0]
            if wanted != "__version__":
                assert wanted in ALLOWED[part(path)], f"{part(path)} must not know {wanted}"
        elif top in OWNERS:
            assert part(path) in OWNERS[top], f"{top} belongs to {', '.join(sorted(OWNERS[top]))}"


def test_siblings_of_the_base_do_not_form_a_circle():
    graph = {
        path.stem: {n.split(".")[1] for n in imports(path) if n.startswith("rmfd_cli.")}
        for path in modules()
        if part(path) in BASE
    }
    done: set[str] = set()
    while len(done) < len(graph):
        free = {name for name, needs in graph.items() if name not in done and needs <= done}
        assert free, f"a circle among {sorted(set(graph) - done)}"
        done |= free


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_longer_than_an_evening(path):
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['rmfd', '--help']\n"
        "from rmfd_cli.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'av', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
