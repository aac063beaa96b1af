"""From YAML to a fault script: every mistake with its file, line and column, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

import jsonschema
import yaml

from v6.errors import V6Error
from v6.paper.faults.script import AT_TIME, ON_ASKED, ON_SENT, Act, Fault, FaultScript, When
from v6.paper.fields import TABLES
from v6.paper.layouts import MESSAGE_NAMES, REQUEST_NAMES

Path_: TypeAlias = tuple[str | int, ...]
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


class FaultScriptError(V6Error):
    """A script with mistakes; `problems` are `file:line:col: text`, in the order of the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def load_script(path: Path) -> FaultScript:
    """Read a script from a file; raise FaultScriptError for mistakes and for a file that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as trouble:
        raise FaultScriptError([f"{path}:1:1: cannot be read: {trouble}"]) from trouble
    return parse_script(text, str(path))


def parse_script(text: str, name: str = "<faults>") -> FaultScript:
    """Return the script of a YAML text; raise FaultScriptError with every mistake."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as trouble:
        mark = trouble.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise FaultScriptError([f"{name}:{line}:{column}: {trouble.problem}"]) from trouble
    marks = dict(_marks(root, ())) if root is not None else {}
    problems = [(_nearest(marks, path), said) for path, said in (*_repeated(root, ()), *_faults_in(value))]
    if problems:
        raise FaultScriptError([f"{name}:{line}:{column}: {said}" for (line, column), said in sorted(problems)])
    return FaultScript(value.get("seed", 0), tuple(map(_fault, value["faults"])))


def _marks(node: yaml.Node, path: Path_) -> Iterator[tuple[Path_, tuple[int, int]]]:
    yield path, (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield from _marks(child, (*path, key.value))
            # The place of an entry is its key: that is where an unknown one is crossed out.
            yield (*path, key.value), (key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            yield from _marks(child, (*path, i))


def _nearest(marks: Mapping[Path_, tuple[int, int]], path: Path_) -> tuple[int, int]:
    while path and path not in marks:
        path = path[:-1]
    return marks.get(path, (1, 1))


def _repeated(node: yaml.Node | None, path: Path_) -> Iterator[tuple[Path_, str]]:
    """Yield keys that stand twice in one mapping, where YAML would take the last."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (((*path, key), f"`{key}` appears twice") for key in {k for k in keys if keys.count(k) > 1})
        for key, child in node.value:
            yield from _repeated(child, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            yield from _repeated(child, (*path, i))


def _faults_in(value: object) -> Iterator[tuple[Path_, str]]:
    broken = False
    for trouble in jsonschema.Draft7Validator(SCHEMA).iter_errors(value):
        broken = True
        path: Path_ = tuple(trouble.absolute_path)
        if trouble.validator == "additionalProperties" and isinstance(trouble.instance, dict):
            known = trouble.schema["properties"] if isinstance(trouble.schema, dict) else {}
            for key in trouble.instance:
                if key not in known:
                    yield (*path, key), f"unknown key `{key}`; known are {', '.join(known)}"
        elif trouble.validator == "enum" and path and path[-1] in ("sent", "asked"):
            near = get_close_matches(str(trouble.instance), trouble.validator_value, n=1)
            kind = "message of the gateway" if path[-1] == "sent" else "request"
            yield path, f"no {kind} is called {trouble.instance!r}{f'; did you mean {near[0]}?' if near else ''}"
        else:
            yield path, trouble.message
    if not broken and isinstance(value, dict):
        yield from _senseless(value["faults"])


def _senseless(faults: Sequence[dict[str, Any]]) -> Iterator[tuple[Path_, str]]:
    """Yield what a schema cannot say well."""
    ids = [fault["id"] for fault in faults]
    for i, fault in enumerate(faults):
        at: Path_ = ("faults", i)
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
