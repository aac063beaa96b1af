"""Where the lint runs: in `v6 check`, in the reload when asked, and nowhere that would load the solver for nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from v6.daemon.reload import Reloader
from v6.errors import ConfigError
from v6.lint import lint
from v6.rules import load_desk

ROOT = Path(__file__).parents[2]
EARLIER = ROOT / "tests" / "bundles" / "earlier"


def v6(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "v6.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_shipped_desk_lints_clean() -> None:
    assert lint(load_desk(ROOT)) == []


def test_check_reports_the_lint_and_fails_on_its_errors() -> None:
    done = v6("check", str(EARLIER), "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert {d["code"] for d in report["diagnostics"]} >= {"shadowed", "shadowed-part", "inverted-trail"}
    assert report["errors"] == sum(d["severity"] == "error" for d in report["diagnostics"]) == 3


def test_the_same_desk_gets_the_same_findings_again() -> None:
    desk = load_desk(EARLIER)
    assert lint(desk) == lint(desk)


def test_neither_the_daemon_nor_the_demo_loads_the_solver() -> None:
    program = (
        "import sys; import v6.cli, v6.demo, v6.service, v6.daemon.daemon, v6.daemon.reload, v6.rules; "
        "sys.exit('z3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_a_reload_refuses_the_lints_errors_only_when_asked() -> None:
    accepted, refused = Reloader(EARLIER).start(None)
    assert refused is None
    assert len(accepted.ruleset.rules) == 15
    with pytest.raises(ConfigError, match="`dte_roll` fires first"):
        Reloader(EARLIER, lint=True).start(None)


def test_a_reload_with_the_lint_takes_a_clean_desk() -> None:
    accepted, refused = Reloader(ROOT, lint=True).start(None)
    assert refused is None
    assert accepted.ruleset.rules


def test_the_docs_list_every_code() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "v6" / "lint").glob("*.py"))
    made = set(re.findall(r'finding\([^"]*?, "([a-z-]+)"', sources))
    assert len(made) >= 20
    table = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8").split("## Codes")[1].split("## Why")[0]
    listed = {
        code
        for line in table.splitlines()
        for code in re.findall(r"`([a-z-]+)`", line.split("|")[1] if "|" in line else "")
    }
    assert made == listed
