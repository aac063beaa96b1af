"""Schema of rules/*.test.yaml: what is fed to rules over time, and what they must say at which time."""

from __future__ import annotations

from typing import Final

from v6.lang.schema import _DURATION, _ID, _TITLE, _VERSION, Schema, _object
from v6.model.catalogue import FIELDS, Kind
from v6.model.decision import ActionKind

MAX_STEPS: Final = 1000
"""Rows of one series."""

_OFFSET: Final = "^(0|[1-9][0-9]{0,5})[smhd]$"


def rule_test_schema() -> Schema:
    """Return the schema."""
    given: dict[str, Schema] = {}
    series: dict[str, Schema] = {}
    for field in FIELDS:
        about = f"{field.doc} [{field.unit}]" if field.kind is Kind.NUMBER else field.doc
        kind = {Kind.NUMBER: "number", Kind.BOOL: "boolean", Kind.ENUM: "string"}[field.kind]
        value: Schema = {"enum": [*field.choices, None]} if field.choices else {"type": [kind, "null"]}
        given[field.name] = {**value, "description": about}
        values: Schema = {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_STEPS}
        text: Schema = {"type": ["string", "number", "boolean", "null"], "maxLength": 2000}
        # The words of a series are checked one by one, with their places, by v6/ruletools.
        series[field.name] = {"description": about, "if": {"type": "array"}, "then": values, "else": text}
    time = {"type": "string", "pattern": _OFFSET, "description": "time after the start, such as 0m or 25m"}
    ids: Schema = {"type": "array", "items": _ID, "uniqueItems": True}
    expectation = _object(
        {
            "at": {"if": {"type": "array"}, "then": {"type": "array", "items": time, "minItems": 1}, "else": time},
            "row": {"enum": ["position", "portfolio"], "description": "whose decision, where both are evaluated"},
            "fires": {**_flag_or(ids), "description": "has the rule fired; of several rules, exactly these"},
            "unknown": {**_flag_or(ids), "description": "is it unknown; of several rules, exactly these"},
            "alerts": {**_flag_or(ids), "description": "does its alert go out; of several rules, exactly these"},
            "first": {"type": ["string", "null"], "description": "the rule that decides, null for none"},
            "action": {"enum": [*(a.value for a in ActionKind), None], "description": "what it does"},
            "signal": {
                "enum": ["inactive", "pending", "firing"],
                "description": "pending: it holds, but not long enough",
            },
        },
        required=("at",),
    )
    timing: dict[str, Schema] = {
        "interval": {**_DURATION, "description": "time between two rows, such as 5m"},
        "start": {
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z$",
            "description": "time of the first row in UTC and in quotes, such as '2024-03-04T15:00:00Z'",
        },
        "given": _object(given, required=(), description="fields that stay as they are"),
    }
    gap = _object({"from": time, "to": time}, description="from the first time until before the second no row is seen")
    case = _object(
        {
            "title": _TITLE,
            **timing,
            "series": _object(series, required=(), description="fields over time: `0.1+0.05x8 _x3 0.2`"),
            "no_rows": {"type": "array", "items": gap, "description": "the market is closed, or the desk is down"},
            "expect": {"type": "array", "items": expectation, "minItems": 1, "maxItems": MAX_STEPS},
        },
        required=("title", "expect"),
    )
    return _object(
        {
            "version": _VERSION,
            "rule": {**_ID, "description": "the rule that is tested alone; without it, all rules of the bundle are"},
            **timing,
            "tests": {"type": "array", "items": case, "minItems": 1, "maxItems": 100},
        },
        required=("version", "interval", "tests"),
    )


def _flag_or(ids: Schema) -> Schema:
    return {"if": {"type": "array"}, "then": ids, "else": {"type": "boolean"}}
