"""A real browser, if the machine has one."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
)


@pytest.fixture(scope="session")
def browse() -> Callable[..., str]:
    """Return a function that opens a file in Chromium and gives the document after its scripts have run."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")

    def opened(page: Path, profile: Path, *flags: str, fragment: str = "") -> str:
        command = [found, *FLAGS, f"--user-data-dir={profile}", "--enable-logging=stderr", *flags, "--dump-dom"]
        done = subprocess.run([*command, page.as_uri() + fragment], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert console == [], "the page complains"
        return done.stdout

    return opened
