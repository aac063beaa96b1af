"""What `v6 doctor` looks at: the store, the clock, the packages V6 stands on, and the desk's files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from v6.errors import Severity, StoreError
from v6.store.health import JOURNAL, Check, Level, check_journal, check_room, check_tables
from v6.store.history_health import check_history
from v6.store.journal import JournalReader

_REQUIREMENT: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?P<ranges>[<>=!~][^;]*)?(?P<marker>;.*)?$")
_SKEW: Final = timedelta(minutes=1)


def examine(desk: Path, store: Path, *, deep: bool = False) -> list[Check]:
    """Return all checks, in the order in which they matter; nothing is changed but a temporary file in the store."""
    now = datetime.now(UTC)
    return [
        *check_journal(store),
        *check_tables(store, deep=deep),
        *check_history(store, now, deep=deep),
        *check_room(store),
        *check_clock(store, now, clock_synchronised),
        *check_packages(metadata.requires("v6") or [], _installed),
        *check_desk_files(desk),
    ]


def check_clock(store: Path, now: datetime, synchronised: Callable[[], bool | None]) -> list[Check]:
    """Hold the clock against the newest event, and ask the system whether it follows a time server."""
    found = []
    try:
        newest = JournalReader(store / JOURNAL).last_at() if (store / JOURNAL).exists() else None
    except StoreError:
        newest = None  # the journal's own check says so
    if newest is not None and newest > now + _SKEW:
        text = f"it is {now:%Y-%m-%d %H:%M:%S} UTC, but the newest event is of {newest:%Y-%m-%d %H:%M:%S}"
        found.append(Check("clock", Level.ERROR, text, "set the clock; orders, windows and expiries go by it"))
    try:
        ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        text = "the time zone of the exchange is unknown here"
        found.append(Check("clock", Level.ERROR, text, "install the system's tzdata, or the package tzdata"))
    follows = synchronised()
    if follows is False:
        text = "the system's clock does not follow a time server"
        found.append(Check("clock", Level.WARNING, text, "turn on NTP: timedatectl set-ntp true"))
    if not found:
        known = "follows a time server" if follows else "whether it follows a time server is not known"
        found.append(Check("clock", Level.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC; {known}"))
    return found


def clock_synchronised() -> bool | None:
    """Return what systemd says of the clock, None where it cannot be asked."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=3)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def check_packages(requires: list[str], installed: Callable[[str], str | None]) -> list[Check]:
    """Hold the packages that are installed against the ranges that V6 was tried with; extras are not looked at."""
    found = []
    needed = 0
    for line in requires:
        match = _REQUIREMENT.match(line.replace(" ", ""))
        if match is None or "extra==" in (match["marker"] or ""):
            continue
        needed += 1
        name, ranges = match["name"], match["ranges"] or ""
        version = installed(name)
        if version is None:
            found.append(Check("packages", Level.ERROR, f"{name} is not installed", "pip install v6, or make setup"))
        elif not all(_within(version, one) for one in ranges.split(",") if one):
            text = f"{name} {version} is installed, V6 was tried with {ranges}"
            found.append(Check("packages", Level.WARNING, text, f"pip install '{name}{ranges}'"))
    if found:
        return found
    python = ".".join(map(str, sys.version_info[:3]))
    text = f"Python {python}; {needed} packages within their ranges"
    text += "".join(f", {name} {installed(name)}" for name in ("ib_async", "deltalake", "duckdb"))
    return [Check("packages", Level.OK, text)]


def check_desk_files(desk: Path) -> list[Check]:
    """Check rules and strategies as a start would, and tell whether git knows them as they are."""
    from v6.rules import check_desk, load_desk

    diagnostics = check_desk(desk)
    errors = [d for d in diagnostics if d.severity is Severity.ERROR]
    if errors:
        text = f"{len(errors)} errors in {desk}, the first: {errors[0]}"
        return [Check("desk", Level.ERROR, text, "v6 check shows all; a running desk keeps its last good rules")]
    loaded = load_desk(desk)
    text = f"{len(loaded.rules)} rules are active, fingerprint {loaded.fingerprint[:12]}, in {desk}"
    found = [Check("desk", Level.OK, text)]
    warnings = len(diagnostics) - len(errors)
    if warnings:
        found.append(Check("desk", Level.WARNING, f"{warnings} warnings", "v6 check shows them"))
    changed = _changed(desk)
    if changed:
        text = f"{changed} of its files differ from what git has: decisions name a revision that is not what runs"
        found.append(Check("desk", Level.WARNING, text, "commit them"))
    return found


def _changed(desk: Path) -> int | None:
    """Return how many files under rules/ and strategies/ git does not have as they are, None outside of git."""
    command = ["git", "-C", str(desk), "status", "--porcelain", "--", "rules", "strategies"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return len(done.stdout.splitlines()) if done.returncode == 0 else None


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _within(version: str, limit: str) -> bool:
    """Tell whether a version is within one limit, such as >=1.6 or <2; suffixes (rc1, +local) are not looked at."""
    operator = re.match(r"[<>=!~]+", limit)
    assert operator is not None
    have, wanted = _numbers(version), _numbers(limit[operator.end() :])
    width = max(len(have), len(wanted))
    have, wanted = ([*numbers, *[0] * (width - len(numbers))] for numbers in (have, wanted))
    match operator.group():
        case ">=":
            return have >= wanted
        case "<":
            return have < wanted
        case "<=":
            return have <= wanted
        case ">":
            return have > wanted
        case "==":
            return have == wanted
        case "!=":
            return have != wanted
        case other:
            raise ValueError(f"cannot tell whether {version} is within {other}")


def _numbers(version: str) -> list[int]:
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in found.group().split(".")] if found else []
