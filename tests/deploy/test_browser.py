"""A browser that stands back behind the engine, and none where there is no screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "kincast.deploy.browser", "http://127.0.0.1:7480/"]
SCREEN = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


@pytest.mark.skipif(sys.platform != "linux", reason="screens and cores are asked for as on Linux")
def test_without_a_screen_nothing_is_opened() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SCREEN}
    assert subprocess.run(COMMAND, env=environment, timeout=60, check=False).returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="screens and cores are asked for as on Linux")
def test_the_browser_gets_the_page_with_low_priority_and_leaves_the_engines_core(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!{sys.executable}\nimport os, sys\nopen("{tmp_path}/seen", "w").write('
        'f"{sys.argv[1]} {os.nice(0)} {sorted(os.sched_getaffinity(0))}")\n'
    )
    browser.chmod(0o755)
    cores = os.sched_getaffinity(0)
    engine = max(cores)

    def on_one_core() -> None:
        os.sched_setaffinity(0, {engine})

    environment = os.environ | {"BROWSER": str(browser)}
    before = os.nice(0)
    assert (
        subprocess.run(COMMAND, env=environment, timeout=60, check=False, preexec_fn=on_one_core).returncode
        == 0
    )
    url, nice, left = (tmp_path / "seen").read_text().split(" ", 2)
    assert url == COMMAND[-1]
    assert int(nice) == min(19, before + 10)
    if len(cores) > 1:
        assert str(engine) not in left.strip("[]").split(", ")
