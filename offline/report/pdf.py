"""The page as PDF, printed by a headless Chromium that is on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from kincast.models.errors import UserMistakeError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
TIME_LIMIT_S = 180.0


class NoChromiumError(UserMistakeError):
    """There is no Chromium to print with."""


class PdfError(UserMistakeError):
    """Chromium did not print the page."""


def find_chromium() -> Path | None:
    """Chromium or a relative of it on the PATH, else the newest one that Playwright installed; None without one."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    own = [
        p
        for p in sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True)
        if os.access(p, os.X_OK)
    ]
    return own[0] if own else None


def print_pdf(html: Path, pdf: Path) -> None:
    """Print a page that is on disk.

    Raises:
        NoChromiumError: no browser here. PdfError: it failed, with what it said last.
    """
    chromium = find_chromium()
    if chromium is None:
        raise NoChromiumError(
            f"no Chromium here to make the PDF with (looked for {', '.join(NAMES)});"
            " install it (Debian: apt-get install chromium), or open the HTML report in any browser and print it"
        )
    with tempfile.TemporaryDirectory(prefix="kincast-pdf-") as profile:
        command = [
            str(chromium), "--headless=new", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            "--disable-component-update", "--disable-sync", "--no-pdf-header-footer", f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf.resolve()}", html.resolve().as_uri(),
        ]  # fmt: skip
        if os.geteuid() == 0:  # Chromium refuses its sandbox to root
            command.insert(1, "--no-sandbox")
        pdf.unlink(missing_ok=True)
        try:
            done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PdfError(f"{pdf}: {chromium.name} did not print it ({error})") from None
    if not pdf.is_file() or pdf.read_bytes()[:5] != b"%PDF-":
        said = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise PdfError(f"{pdf}: {chromium.name} did not print it ({said[-1] if said else 'it said nothing'})")
