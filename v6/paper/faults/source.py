"""From YAML to a fault script: every mistake with its file, line and column, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from v6.paper.faults.script import AT_TIME, ON_ASKED, ON_SENT, Act, Fault, FaultScript, When
from v6.paper.fields import TABLES
from v6.paper.layouts import MESSAGE_NAMES, REQUEST_NAMES
from v6.paper.places import Mistakes, Place, Source, broken, read_text

_CODE_AND_TEXT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["code"],
    "properties": {"code": {"type": "integer", "minimum": 100}, "text": {"type": "string"}},
}
_YES: Final = {"const": True}
_POSITIVE: Final = {"type": "number", "exclusiveMinimum": 0}
_COUNT: Final = {"type": "integer", "minimum": 1}

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "A fault script for the paper gateway",
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "faults"],
    "properties": {
        "version": {"const": 1},
        "seed": {"type": "integer"},
        "faults": {"type": "array", "items": {"$ref": "#/definitions/fault"}},
    },
    "definitions": {
        "fault": {
            "type": "object",
            "additionalProperties": False,
            "required": ["id", "when", "do"],
            "properties": {
                "id": {"type": "string", "pattern": "^[a-z0-9_-]+$"},
                "when": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "sent": {"enum": sorted(MESSAGE_NAMES.values())},
                        "asked": {"enum": sorted(REQUEST_NAMES.values())},
                        "at_s": {"type": "number", "minimum": 0},
                        "client": {"type": "integer", "minimum": 0},
                        "skip": {"type": "integer", "minimum": 0},
                        "times": _COUNT,
                        "chance": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                    },
                },
                "do": {
                    "type": "object",
                    "additionalProperties": False,
                    "minProperties": 1,
                    "maxProperties": 1,
                    "properties": {
                        Act.DROP.value: _YES,
                        Act.DELAY.value: _POSITIVE,
                        Act.DUPLICATE.value: _COUNT,
                        Act.HOLD.value: _COUNT,
                        Act.GARBLE.value: _YES,
                        Act.REWRITE.value: {
                            "type": "object",
                            "minProperties": 1,
                            "additionalProperties": {"type": ["string", "number"]},
                        },
                        Act.CORRECT.value: {"type": "number"},
                        Act.ERROR.value: _CODE_AND_TEXT,
                        Act.WARNING.value: _CODE_AND_TEXT,
                        Act.NOTICE.value: _CODE_AND_TEXT,
                        Act.RESET.value: {"enum": ["before", "after"]},
                        Act.OUTAGE.value: {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["seconds", "code"],
                            "properties": {"seconds": _POSITIVE, "code": {"enum": [1101, 1102]}},
                        },
                        Act.HALF_OPEN.value: _POSITIVE,
                        Act.SLOW.value: _POSITIVE,
                        Act.PARTIAL_FILLS.value: {"type": "number", "minimum": 0, "maximum": 1},
                        Act.OVERSIZED.value: _YES,
                    },
                },
            },
        }
    },
}
"""Draft 7, as editors understand it."""

_SENT: Final = {name: number for number, name in MESSAGE_NAMES.items()}
_ASKED: Final = {name: number for number, name in REQUEST_NAMES.items()}
_TRIGGERS: Final = {"sent": ON_SENT, "asked": ON_ASKED, "at_s": AT_TIME}


class FaultScriptError(Mistakes):
    """A script with mistakes; `problems` are `file:line:col: text`, in the order of the file."""


def load_script(path: Path) -> FaultScript:
    """Read a script from a file; raise FaultScriptError for mistakes and for a file that cannot be read."""
    try:
        return _read(read_text(path), str(path))
    except Mistakes as found:
        raise FaultScriptError(found.problems) from found


def parse_script(text: str, name: str = "<faults>") -> FaultScript:
    """Return the script of a YAML text; raise FaultScriptError with every mistake."""
    try:
        return _read(text, name)
    except Mistakes as found:
        raise FaultScriptError(found.problems) from found


def _read(text: str, name: str) -> FaultScript:
    source = Source(text, name)
    source.refuse(_faults_in(source.value))
    return FaultScript(source.value.get("seed", 0), tuple(map(_fault, source.value["faults"])))


def _faults_in(value: object) -> Iterator[tuple[Place, str]]:
    failed = False
    for place, trouble, said in broken(value, SCHEMA):
        failed = True
        if trouble.validator == "enum" and place and place[-1] in ("sent", "asked"):
            near = get_close_matches(str(trouble.instance), list(_SENT if place[-1] == "sent" else _ASKED), n=1)
            kind = "message of the gateway" if place[-1] == "sent" else "request"
            yield place, f"no {kind} is called {trouble.instance!r}{f'; did you mean {near[0]}?' if near else ''}"
        else:
            yield place, said
    if not failed and isinstance(value, dict):
        yield from _senseless(value["faults"])


def _senseless(faults: Sequence[dict[str, Any]]) -> Iterator[tuple[Place, str]]:
    """Yield what a schema cannot say well."""
    ids = [fault["id"] for fault in faults]
    for i, fault in enumerate(faults):
        at: Place = ("faults", i)
        triggers = [t for t in _TRIGGERS if t in fault["when"]]
        if len(triggers) != 1:
            yield (*at, "when"), "give exactly one of sent, asked and at_s"
            continue
        (act,) = fault["do"]
        allowed = sorted(_TRIGGERS[triggers[0]])
        if act not in allowed:
            yield (*at, "do", act), f"`{act}` cannot be done when `{triggers[0]}`; possible are {', '.join(allowed)}"
        elif act == Act.REWRITE:
            yield from (
                ((*at, "do", act, key), said) for key, said in _unwritable(fault["when"]["sent"], fault["do"][act])
            )
        elif act == Act.CORRECT and fault["when"]["sent"] != "execDetails":
            yield (*at, "do", act), "only `execDetails` can be corrected"
        if triggers[0] == "at_s" and set(fault["when"]) & {"skip", "times"}:
            yield (*at, "when"), "`skip` and `times` count messages; a moment comes once"
        if ids.count(fault["id"]) > 1:
            yield (*at, "id"), f"the id `{fault['id']}` is used more than once"


def _unwritable(message: str, wanted: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    table = TABLES.get(_SENT[message])
    known = table.names if table is not None else ()
    for key in wanted:
        if key not in known:
            there = f"its fields are {', '.join(known)}" if known else "its fields cannot be rewritten"
            yield key, f"`{message}` has no field `{key}`; {there}"


def _fault(fault: dict[str, Any]) -> Fault:
    when, ((word, value),) = dict(fault["when"]), fault["do"].items()
    if "sent" in when:
        when["sent"] = _SENT[when["sent"]]
    if "asked" in when:
        when["asked"] = _ASKED[when["asked"]]
    more: dict[str, Any]
    if word == Act.REWRITE:
        more = {"fields": tuple((key, str(new)) for key, new in value.items())}
    elif isinstance(value, dict):
        more = {"code": value["code"], "text": value.get("text", ""), "number": value.get("seconds", 0.0)}
    elif isinstance(value, str):
        more = {"word": value}
    else:
        more = {"number": 0.0 if value is True else float(value)}
    return Fault(fault["id"], When(**when), Act(word), **more)
