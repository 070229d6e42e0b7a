"""Imports point one way between the rooms (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("capture", "streaming", "models", "offline", "deploy")
# What a room may import of the others; a full module name allows that module alone.
ALLOWED = {
    "models": set(),
    "streaming": {"kincast.models"},
    "offline": {"kincast.models", "kincast.streaming"},
    "capture": {"kincast.streaming.wire", "kincast.streaming.messages", "kincast.models.camera"},
    "deploy": {"kincast.models", "kincast.streaming", "kincast.offline", "kincast.capture"},
}
EXCEPTIONS = {"capture/sources/rendered.py": {"kincast.models.body"}}
NUMPY_ONLY = ("models/camera.py", "streaming/messages.py", "streaming/wire.py")


def kincast_imports(source: str, package: tuple[str, ...]) -> list[str]:
    """Full names of all kincast modules that a source text imports, also inside functions."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join((*package[: len(package) - node.level + 1], *filter(None, [base])))
            found += [f"{base}.{alias.name}" for alias in node.names]
    return [name for name in found if name.split(".")[0] == "kincast"]


def forbidden(source: str, relative: str) -> list[str]:
    """Imports of the file at ``relative`` that its room may not have."""
    room = relative.split("/")[0]
    allowed = {f"kincast.{room}"} | ALLOWED[room] | EXCEPTIONS.get(relative, set())
    package = ("kincast", *Path(relative).parent.parts)
    names = kincast_imports(source, package)
    return [n for n in names if not any(n == good or n.startswith(good + ".") for good in allowed)]


def files() -> list[Path]:
    return [
        path
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "node_modules" not in path.parts
    ]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    assert forbidden(path.read_text(), str(path.relative_to(ROOT))) == []


@pytest.mark.parametrize("relative", NUMPY_ONLY)
def test_camera_nodes_need_no_jax(relative: str) -> None:
    module = "kincast." + relative.removesuffix(".py").replace("/", ".")
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, f"{module} pulls in JAX"


def test_a_planted_import_is_found() -> None:
    planted = "from ..body import y\ndef f():\n    from kincast.streaming import wire\n    from ...offline import z\n"
    assert forbidden(planted, "models/gait/x.py") == ["kincast.streaming.wire", "kincast.offline.z"]
