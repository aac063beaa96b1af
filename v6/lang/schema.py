"""JSON Schemas (draft 7, for editors' completion) of a desk's files, and their errors as diagnostics with places."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from v6.errors import Diagnostic, Span
from v6.lang import source
from v6.lang.ast import Expr, Fold
from v6.lang.desk import Limits, OnMissing, StrategyTemplate, kind_of
from v6.lang.hints import did_you_mean
from v6.model.catalogue import FIELDS, Kind, Scope, Unit
from v6.model.decision import ActionKind, AlertSeverity, Urgency

Schema = dict[str, Any]

ACTIONS: Final = {
    Scope.POSITION: (ActionKind.CLOSE, ActionKind.REDUCE, ActionKind.ROLL, ActionKind.ALERT),
    Scope.PORTFOLIO: (ActionKind.HALT_OPENS, ActionKind.ALERT),
}
"""What a rule may do by its scope."""

MAX_RULES: Final = 62
"""Masks are signed 64-bit integers in SQL."""

NOT_YET: Final = frozenset({"hedge"})
"""Words of the design that this version refuses by name."""

_ID: Final[Schema] = {
    "type": "string",
    "pattern": "^[a-z][a-z0-9_]{0,63}$",
    "description": "lower-case letters, digits and underscores",
}
_TITLE: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 200, "description": "one line for people"}
_EXPRESSION: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 2000}
_DURATION: Final[Schema] = {
    "type": "string",
    "pattern": "^[1-9][0-9]{0,5}[smhd]$",
    "description": "a duration such as 30s, 5m, 1h or 2d",
}
_VERSION: Final[Schema] = {"const": 1, "description": "version of the file format"}
_FILE: Final[Schema] = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_/-]*\.yaml$",
    "description": "a file name such as take_profit.yaml, relative to the folder",
}


def _object(properties: Mapping[str, Schema], required: tuple[str, ...] | None = None, **more: Any) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties if required is None else required),
        "properties": dict(properties),
        **more,
    }


def _named(values: Schema, **more: Any) -> Schema:
    names = {"pattern": "^[a-z][a-z0-9_]{0,63}$", "description": _ID["description"]}
    return {"type": "object", "propertyNames": names, "additionalProperties": values, "maxProperties": 32, **more}


def rule_schema() -> Schema:
    """Return the schema of rules/*.yaml; the names an example may give come from the catalogue."""
    number: Schema = {"type": "number", "minimum": -1e12, "maximum": 1e12}
    param = _object({"value": number, "unit": {"enum": [u.value for u in Unit]}, "min": number, "max": number})
    given: dict[str, Schema] = {}
    for field in FIELDS:
        if field.kind is Kind.NUMBER:
            given[field.name] = {"type": ["number", "null"], "description": f"{field.doc} [{field.unit}]"}
        elif field.kind is Kind.BOOL:
            given[field.name] = {"type": ["boolean", "null"], "description": field.doc}
        else:
            given[field.name] = {"enum": [*field.choices, None], "description": field.doc}
    example = _object(
        {
            "given": {"type": "object", "properties": given, "additionalProperties": {"type": ["number", "null"]}},
            "fires": {"enum": [True, False, "unknown"]},
        }
    )
    properties: dict[str, Schema] = {
        "version": _VERSION,
        "id": _ID,
        "priority": {"type": "integer", "minimum": 1, "maximum": 9999, "description": "unique; lower comes first"},
        "scope": {"enum": [Scope.POSITION.value, Scope.PORTFOLIO.value]},
        "title": _TITLE,
        "doc": {"type": "string", "maxLength": 4000, "description": "why the rule is as it is"},
        "protective": {"type": "boolean", "description": "an unknown verdict holds up risk-adding rules below"},
        "params": _named(param),
        "track": _named({**_EXPRESSION, "description": f"an aggregate over the position's life: {_aggregates()}"}),
        "when": {**_EXPRESSION, "description": "the condition"},
        "for": {**_DURATION, "description": "how long it must hold: a duration such as 30s, 5m, 1h or 2d"},
        "keep_firing_for": {**_DURATION, "description": "how long it fires on after it last fired by its condition"},
        "cooldown": {**_DURATION, "description": "how long after it acted it does not act again"},
        "on_missing": {"enum": [o.value for o in OnMissing], "description": "what an unknown verdict does"},
        "missing_for": {**_DURATION, "description": "how long unknown before acting: a duration such as 5m"},
        "fallback": {**_EXPRESSION, "type": ["string", "null"], "description": "judged while `when` is unknown"},
        "then": _then(),
        "alert": _object(
            {
                "severity": {"enum": [s.value for s in AlertSeverity]},
                "text": {**_TITLE, "description": "what people are told; {pnl_ratio:.0%} shows a value"},
            }
        ),
        "apply_to_open": {"type": "boolean", "description": "a loosening of the rule also holds for open positions"},
        "examples": {"type": "array", "minItems": 2, "maxItems": 100, "items": example},
    }
    escalate = {"properties": {"on_missing": {"const": "escalate"}}, "required": ["on_missing"]}
    return _object(
        properties,
        required=("version", "id", "priority", "scope", "title", "when", "then", "examples"),
        allOf=[{"if": escalate, "then": {"required": ["missing_for", "fallback"]}}],
    )


def _aggregates() -> str:
    return ", ".join(f"{fold}(x, 1h)" if fold.windowed else f"{fold}(x)" for fold in Fold)


def _then() -> Schema:
    kinds = dict.fromkeys(kind.value for kinds in ACTIONS.values() for kind in kinds)
    fraction: Schema = {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "description": "the part of the position that a reduce gives up, rounded up to whole units",
    }
    urgency: Schema = {"enum": [u.value for u in Urgency]}
    reduce = {"properties": {"action": {"const": ActionKind.REDUCE.value}}}
    return _object(
        {"action": {"enum": list(kinds)}, "fraction": fraction, "urgency": urgency},
        required=("action",),
        allOf=[{"if": reduce, "then": {"required": ["fraction"]}}],
    )


def bundle_schema() -> Schema:
    """Return the schema of rules/bundle.yaml."""
    files: Schema = {"type": "array", "items": _FILE, "uniqueItems": True, "maxItems": MAX_RULES}
    resting = _object({"rules": files, "strategies": files}, required=())
    resting["description"] = "files that are there and deliberately not active"
    keys = {"version": _VERSION, "rules": {**files, "minItems": 1}, "strategies": files}
    return _object({**keys, "inactive": resting}, required=tuple(keys))


def shadow_schema() -> Schema:
    """Return the schema of rules/shadow.yaml."""
    files: Schema = {"type": "array", "items": _FILE, "uniqueItems": True, "minItems": 1, "maxItems": MAX_RULES}
    return _object({"version": _VERSION, "rules": files})


def limits_schema() -> Schema:
    """Return the schema of rules/limits.yaml, one key for each field of `Limits`."""
    return _of_dataclass(Limits, {"version": _VERSION})


def strategy_schema() -> Schema:
    """Return the schema of strategies/*.yaml, shaped like `StrategyTemplate`."""
    return _of_dataclass(StrategyTemplate, {"version": _VERSION})


def _of_dataclass(cls: type, first: Mapping[str, Schema] | None = None) -> Schema:
    hints = get_type_hints(cls)
    properties = dict(first or {})
    assert is_dataclass(cls)
    for field in fields(cls):
        schema = (
            {"enum": field.metadata["enum"]}
            if "enum" in field.metadata
            else _of_type(field.name, kind_of(hints[field.name]))
        )
        if "doc" in field.metadata:
            schema["description"] = field.metadata["doc"]
        schema |= {key: field.metadata[key] for key in ("minimum", "maximum") if key in field.metadata}
        properties[field.name] = schema
    optional = {field.name for field in fields(cls) if field.default is not MISSING}
    return _object(properties, tuple(name for name in properties if name not in optional))


def _of_type(name: str, hint: Any) -> Schema:
    if hint == Expr:
        return dict(_EXPRESSION)
    if is_dataclass(hint) and isinstance(hint, type):
        return _of_dataclass(hint)
    if issubclass(hint, StrEnum):
        return {"enum": [member.value for member in hint]}
    if hint is int:
        return {"type": "integer"}
    if hint is float:
        return {"type": "number"}
    if hint is str:
        return dict({"id": _ID, "title": _TITLE}.get(name, {"type": "string", "minLength": 1, "maxLength": 40}))
    raise TypeError(f"no schema for {name}: {get_args(hint) or hint}")


@cache
def schemas() -> Mapping[str, Schema]:
    """Return the schemas by the kind of file they describe."""
    # Built from this module's parts, so it cannot be imported before they are there.
    from v6.lang.events import events_schema
    from v6.lang.recording import recording_schema
    from v6.lang.rule_tests import rule_test_schema

    built = {
        "rule": rule_schema(),
        "test": rule_test_schema(),
        "bundle": bundle_schema(),
        "shadow": shadow_schema(),
        "limits": limits_schema(),
        "strategy": strategy_schema(),
        "events": events_schema(),
        "recording": recording_schema(),
    }
    head = "http://json-schema.org/draft-07/schema#"
    return {kind: {"$schema": head, "title": f"V6 {kind} file", **schema} for kind, schema in built.items()}


def write_schemas(folder: Path) -> None:
    """Write `<kind>.schema.json` for each kind of file."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, schema in schemas().items():
        (folder / f"{kind}.schema.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


@cache
def _validator(kind: str) -> Draft7Validator:
    return Draft7Validator(schemas()[kind])


def validate(kind: str, node: source.Node) -> list[Diagnostic]:
    """Return every way in which the node breaks the schema of its kind, in the order of the file."""
    found = [
        diagnostic
        for error in _validator(kind).iter_errors(source.plain(node))
        for diagnostic in _diagnostics(error, node)
    ]
    return sorted(found, key=lambda d: (d.span, d.message))


def _diagnostics(error: ValidationError, root: source.Node) -> Iterator[Diagnostic]:
    node, span, name = _place(error, root)
    value = error.instance
    rule: Any = error.validator_value
    match error.validator:
        case "additionalProperties" if isinstance(node, source.Mapping):
            known = error.schema["properties"]  # type: ignore[index]
            for entry in node.entries:
                if entry.key in NOT_YET:
                    yield Diagnostic(entry.key_span, "not-yet-supported", f"`{entry.key}` is not supported yet")
                elif entry.key not in known:
                    hint = did_you_mean(entry.key, known)
                    yield Diagnostic(entry.key_span, "unknown-key", f"no key `{entry.key}` here", hint)
        case "required" if isinstance(node, source.Mapping):
            present = {entry.key for entry in node.entries}
            # jsonschema reports one error for each missing key, naming it in the message only.
            for key in (k for k in rule if k not in present and repr(k) in error.message):
                yield Diagnostic(span, "missing-key", f"`{key}` is missing in {_quoted(name)}")
        case "enum" | "const":
            allowed = [_spell(v) for v in (rule if error.validator == "enum" else [rule])]
            if isinstance(value, str) and value in NOT_YET:
                yield Diagnostic(span, "not-yet-supported", f"`{value}` is not supported yet")
            else:
                hint = did_you_mean(str(value), allowed) or f"one of {', '.join(allowed)}"
                yield Diagnostic(span, "bad-value", f"{_quoted(name)} cannot be {_spell(value)}", hint)
        case "type":
            wanted = " or ".join(_TYPES[t] for t in ([rule] if isinstance(rule, str) else rule))
            hint = "put it in quotes" if "string" in rule and isinstance(value, bool | float | int) else ""
            yield Diagnostic(span, "bad-value", f"{_quoted(name)} must be {wanted}, not {_spell(value)}", hint)
        case "pattern":
            where = _key_span(error, root) if error.parent else span
            wanted = error.schema.get("description", "")  # type: ignore[union-attr]
            yield Diagnostic(where, "bad-value", f"`{value}` does not do for {_quoted(name)}", f"{wanted}")
        case "minimum" | "maximum":
            word = "least" if error.validator == "minimum" else "most"
            yield Diagnostic(span, "out-of-range", f"{_quoted(name)} must be at {word} {rule:g}, not {value:g}")
        case "exclusiveMinimum" | "exclusiveMaximum":
            word = "more" if error.validator == "exclusiveMinimum" else "less"
            yield Diagnostic(span, "out-of-range", f"{_quoted(name)} must be {word} than {rule:g}, not {value:g}")
        case "minItems" | "maxItems" if isinstance(value, list):
            word = "least" if error.validator == "minItems" else "most"
            message = f"{_quoted(name)} must have at {word} {rule} entries, not {len(value)}"
            yield Diagnostic(span, "bad-value", message)
        case "uniqueItems":
            yield Diagnostic(span, "bad-value", f"{_quoted(name)} names something twice")
        case _:
            yield Diagnostic(span, "bad-value", f"{_quoted(name)}: {error.message[:200]}")


_TYPES: Final = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
    "object": "a mapping of keys",
    "array": "a list",
}


def _quoted(name: str) -> str:
    return name if " " in name else f"`{name}`"


def _spell(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case str():
            return f"`{value[:60]}`" if " " in value else value[:60]
        case int() | float():
            return f"{value:g}"
        case list():
            return "a list"
        case _:
            return "a mapping of keys"


def _place(error: ValidationError, root: source.Node) -> tuple[source.Node, Span, str]:
    node, name = root, "the file"
    for step in error.absolute_path:
        if isinstance(node, source.Mapping):
            node, name = node.get(str(step)) or node, str(step)
        elif isinstance(node, source.Sequence):
            node = node.items[int(step)]
    return node, node.span, name


def _key_span(error: ValidationError, root: source.Node) -> Span:
    """Return the place of the key that breaks a `propertyNames` pattern, else of the value."""
    node, span, _ = _place(error, root)
    if isinstance(node, source.Mapping) and isinstance(error.instance, str):
        return node.key_span(error.instance)
    return span


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))
