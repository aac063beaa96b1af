"""The project itself: layers, lock, wheel, shipped desk, and that the documents point to what exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from v6 import shipped
from v6.errors import V6Error

TOP = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
LINT_IMPORTS = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    # A PYTHONPATH that names another copy of v6 would be read in place of this one.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONSAFEPATH": ""}
    return subprocess.run(LINT_IMPORTS, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_imports_point_down_and_every_module_was_looked_at() -> None:
    files = {".".join(path.relative_to(TOP).with_suffix("").parts) for path in (TOP / "v6").rglob("*.py")}
    modules = {name.removesuffix(".__init__") for name in files}
    assert modules <= grimp.build_graph("v6", cache_dir=None).modules

    outcome = lint_imports(TOP)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in outcome.stdout
    analysed = re.search(r"Analyzed (\d+) files", outcome.stdout)
    assert analysed is not None
    assert int(analysed[1]) >= len(modules)


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("model/bad.py", "import v6.store.journal", "imports point down only"),
        ("newroom/__init__.py", "", "imports point down only"),
        ("model/bad.py", "import ib_async", "only v6.ib knows ib_async"),
        ("paper/bad.py", "import ib_async", "only v6.ib knows ib_async"),
        ("paper/bad.py", "import deltalake", "only v6.store knows the databases"),
        ("paper/bad.py", "import sqlite3", "only v6.store knows the databases"),
        ("paper/bad.py", "import v6.store.guard", "the paper gateway knows only"),
        ("pricing/bad.py", "from time import time", "the core is pure"),
        ("lang/bad.py", "import asyncio", "the core is pure"),
    ],
)
def test_each_contract_can_be_broken(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copytree(TOP / "v6", tmp_path / "v6", ignore=shutil.ignore_patterns("__pycache__", "_desk"))
    shutil.copy(TOP / "pyproject.toml", tmp_path)
    bad = tmp_path / "v6" / module
    bad.parent.mkdir(exist_ok=True)
    bad.write_text(line + "\n", encoding="utf-8")
    outcome = lint_imports(tmp_path)
    assert outcome.returncode == 1
    assert re.search(rf"^{contract}.* BROKEN", outcome.stdout, re.MULTILINE), outcome.stdout


def test_the_lock_names_packages_by_hash_and_no_place_on_any_machine() -> None:
    lock = (TOP / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted|(^|\s)/|\bfile:|\.whl", lock, re.MULTILINE)
    entries = re.split(r"\n(?=[a-z0-9])", lock.split("#\n")[-1])
    assert len(entries) > 40
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[\w.]+ \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_lock_satisfies_every_dependency() -> None:
    lock = (TOP / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([\w.]+)", lock, re.MULTILINE))
    project = PROJECT["project"]
    # skfolio brings scikit-learn and cvxpy, and only a file of closes in it is read, for the years before 1999.
    extras = {name: listed for name, listed in project["optional-dependencies"].items() if name != "long-history"}
    wanted = project["dependencies"] + [r for listed in extras.values() for r in listed]
    for text in wanted + PROJECT["build-system"]["requires"]:
        requirement = Requirement(text)
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: run make lock"
        assert requirement.specifier.contains(version, prereleases=True), f"{text}: locked {version}: run make lock"


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = TOP / ".ci" / "run"
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert script.stat().st_mode & 0o100


def test_links_in_the_documents_lead_somewhere() -> None:
    checked = 0
    for page in [TOP / "README.md", TOP / "CHANGELOG.md", *sorted((TOP / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
                checked += 1
    assert checked


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small shipped desk beside a pretended v6 package."""
    top = tmp_path / "checkout"
    for file in ("rules/bundle.yaml", "rules/extra/x.yaml", "strategies/s.yaml", "schemas/rule.schema.json"):
        (top / file).parent.mkdir(parents=True, exist_ok=True)
        (top / file).write_text(file, encoding="utf-8")
    (top / "v6").mkdir()
    monkeypatch.setattr(shipped, "__file__", str(top / "v6" / "shipped.py"))
    return top


def test_the_shipped_desk_of_this_checkout_is_found() -> None:
    assert (shipped.desk_root() / "rules" / "bundle.yaml").is_file()


def test_the_desk_inside_a_wheel_goes_before_the_checkout(desk: Path) -> None:
    assert shipped.desk_root() == desk
    shutil.copytree(desk / "rules", desk / "v6" / "_desk" / "rules")
    assert shipped.desk_root() == desk / "v6" / "_desk"


def test_an_installation_without_rules_is_an_error(desk: Path) -> None:
    shutil.rmtree(desk / "rules")
    with pytest.raises(V6Error, match="install V6 again"):
        shipped.desk_root()


def test_a_new_desk_has_the_shipped_files_and_says_which(desk: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "desk"
    written = shipped.init_desk(new)
    assert [str(path) for path in written] == [
        ".github/workflows/v6.yml",
        ".gitignore",
        "README.md",
        "rules/bundle.yaml",
        "rules/extra/x.yaml",
        "schemas/rule.schema.json",
        "strategies/s.yaml",
    ]
    assert (new / "rules/extra/x.yaml").read_text(encoding="utf-8") == "rules/extra/x.yaml"


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
@pytest.mark.parametrize(("verdict", "commits"), [("true", 1), ("false", 0)])
def test_git_runs_v6_check_before_a_commit(desk: Path, tmp_path: Path, verdict: str, commits: int) -> None:
    new, bin_folder = tmp_path / "desk", tmp_path / "bin"
    shipped.init_desk(new)
    bin_folder.mkdir()
    (bin_folder / "v6").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n{verdict}\n', encoding="utf-8")
    (bin_folder / "v6").chmod(0o755)
    environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        return subprocess.run(
            ["git", "-C", str(new), *who, *words], env=environment, capture_output=True, text=True, check=False
        )

    git("add", ".")
    git("commit", "--message", "First")
    assert (tmp_path / "called").read_text(encoding="utf-8") == "check\n"
    assert len(git("log", "--format=%s").stdout.splitlines()) == commits


def test_a_desk_is_made_without_git_too(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shipped.init_desk(tmp_path / "desk")
    assert not (tmp_path / "desk" / ".git").exists()


def test_a_folder_with_files_is_refused_and_left_alone(desk: Path, tmp_path: Path) -> None:
    new = tmp_path / "desk"
    new.mkdir()
    (new / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(V6Error, match="not an empty folder"):
        shipped.init_desk(new)
    with pytest.raises(V6Error, match="not an empty folder"):
        shipped.init_desk(new / "mine.txt")
    assert [path.name for path in new.iterdir()] == ["mine.txt"]


def test_a_wheel_carries_the_desk(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(build, cwd=TOP, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in shipped.FOLDERS:
        ours = {f"v6/_desk/{p.relative_to(TOP).as_posix()}" for p in (TOP / folder).rglob("*") if p.is_file()}
        assert ours
        assert ours <= names
    assert "v6/_desk/rules/bundle.yaml" in names
    scenarios = {p.relative_to(TOP).as_posix() for p in (TOP / "v6/paper/scenarios").glob("*.yaml")}
    assert scenarios
    assert scenarios <= names
    assert not any(name.startswith(("tests/", "v6/_desk/v6")) for name in names)
