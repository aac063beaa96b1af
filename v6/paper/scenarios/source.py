"""From YAML to a scenario: every mistake with its file, line and column, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from v6.paper.places import Mistakes, Place, Source, broken, read_text
from v6.paper.ports import Halt
from v6.paper.scenarios.script import Phase, Scenario, Trouble
from v6.pricing.calendar import xnys

_RATIO: Final = {"type": "number", "minimum": -0.5, "maximum": 1.0}
_VIX: Final = {"type": "number", "minimum": 5, "maximum": 150}
_TIME: Final = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
MOST_DAYS: Final = 1000
WARM_UP: Final = 260
"""Sessions of quiet history before the first one, for those who ask how the year was."""

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "A market scenario for the paper gateway",
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "start", "index", "vix", "phases"],
    "properties": {
        "version": {"const": 1},
        "doc": {"type": "string"},
        "start": {"description": "first session, 2017-03-06"},
        "index": {"type": "number", "minimum": 500, "maximum": 20000},
        "vix": _VIX,
        "phases": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["days", "index", "vix", "volatility"],
                "properties": {
                    "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
                    "index": _RATIO,
                    "vix": _VIX,
                    "volatility": {"type": "number", "minimum": 0, "maximum": 2},
                    "gap": _RATIO,
                    "spread": {"type": "number", "minimum": 0.1, "maximum": 100},
                },
            },
        },
        "halts": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["day", "from", "until", "what"],
                "properties": {
                    "day": {"type": "integer", "minimum": 1},
                    "from": _TIME,
                    "until": _TIME,
                    "what": {"enum": [halt.value for halt in Halt]},
                },
            },
        },
    },
}
"""Draft 7, as editors understand it."""


class ScenarioError(Mistakes):
    """A scenario with mistakes; `problems` are `file:line:col: text`, in the order of the file."""


def shipped_scenarios() -> dict[str, Path]:
    """Return the files of the scenarios that come with V6, by name."""
    folder = Path(str(files("v6.paper.scenarios")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_scenario(name: str) -> Scenario:
    """Read a scenario, shipped (`crash`) or from a file (`my/crash.yaml`); ScenarioError tells all its mistakes."""
    shipped = shipped_scenarios()
    path = shipped.get(name, Path(name))
    if name not in shipped and path.suffix not in (".yaml", ".yml"):
        near = get_close_matches(name, shipped, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ScenarioError([f"no scenario is called {name!r}; {hint}there are {', '.join(shipped)}, or name a file"])
    try:
        return _read(read_text(path), str(path))
    except Mistakes as found:
        raise ScenarioError(found.problems) from found


def parse_scenario(text: str, name: str = "<scenario>") -> Scenario:
    """Return the scenario of a YAML text; raise ScenarioError with every mistake."""
    try:
        return _read(text, name)
    except Mistakes as found:
        raise ScenarioError(found.problems) from found


def _read(text: str, name: str) -> Scenario:
    source = Source(text, name)
    source.refuse(_wrong(source.value))
    value = source.value
    return Scenario(
        Path(name).stem,
        value.get("doc", "").strip(),
        value["start"],
        float(value["index"]),
        float(value["vix"]),
        tuple(map(_phase, value["phases"])),
        tuple(map(_trouble, value.get("halts", ()))),
    )


def _wrong(value: object) -> Iterator[tuple[Place, str]]:
    failed = False
    for place, _, said in broken(value, SCHEMA):
        failed = True
        yield place, said
    if not failed and isinstance(value, dict):
        yield from _senseless(value)


def _senseless(value: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield what a schema cannot say well."""
    days = sum(phase["days"] for phase in value["phases"])
    if days > MOST_DAYS:
        yield ("phases",), f"the phases are {days} sessions together; at most {MOST_DAYS}"
    start = value["start"]
    # A datetime is a date too, and one with a time of day is not meant.
    if type(start) is not date:
        yield ("start",), f"{start!r} is not a date like 2017-03-06"
    elif not _inside(start, days):
        yield ("start",), f"the calendar does not reach {WARM_UP} sessions back and {days} on from {start}"
    for i, halt in enumerate(value.get("halts", ())):
        at: Place = ("halts", i)
        if halt["from"] >= halt["until"]:
            yield (*at, "until"), f"the halt ends at {halt['until']}, not after it begins at {halt['from']}"
        if halt["day"] > days:
            yield (*at, "day"), f"day {halt['day']} is after the last session, which is day {days}"


def _inside(start: date, days: int) -> bool:
    """Tell whether the calendar knows the year before the start and the half year of expiries after the end."""
    calendar = xnys()
    return (start - calendar.first_day).days > 2 * WARM_UP and (calendar.last_day - start).days > 2 * days + 400


def _phase(value: dict[str, Any]) -> Phase:
    return Phase(**value)


def _trouble(value: dict[str, Any]) -> Trouble:
    begin, end = time.fromisoformat(value["from"]), time.fromisoformat(value["until"])
    return Trouble(value["day"], begin, end, Halt(value["what"]))
