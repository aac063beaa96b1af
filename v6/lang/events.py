"""The desk's own calendar, `events.yaml`: what the broker does not tell of earnings and dividends.

The file is optional and stands at the top of a desk, beside rules/ and strategies/: dates are facts that enter the
snapshots, so they are no part of what the rules mean and do not change the fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Final

from jsonschema import Draft7Validator

from v6.errors import Diagnostic, Span
from v6.lang import source
from v6.lang.schema import _VERSION, Schema, _diagnostics, _object
from v6.model.upcoming import Dividend, Earnings, NextDividend, NoDividend, Report, ReportTime

EVENTS: Final = "events.yaml"

NONE: Final = "none"
"""The word for what a symbol does not have; a key that is left out says that nothing is known."""

_DAY: Final[Schema] = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "description": "a day in New York and in quotes, such as '2026-01-29'",
}


@dataclass(frozen=True, slots=True)
class SymbolEvents:
    """What the desk says of one underlying; None is nothing, an empty tuple is that there are none."""

    reports: tuple[Report, ...] | None = None
    dividends: tuple[Dividend, ...] | None = None

    @property
    def earnings(self) -> Earnings | None:
        """Return whether the underlying reports earnings at all."""
        if self.reports is None:
            return None
        return Earnings.REPORTS if self.reports else Earnings.NONE

    def next_dividend(self, today: date) -> NextDividend:
        """Return the first dividend whose ex-date is not over, None if the file tells of none that is to come."""
        if self.dividends is None:
            return None
        if not self.dividends:
            return NoDividend()
        return next((d for d in self.dividends if d.ex_day >= today), None)


UNSAID: Final = SymbolEvents()


@dataclass(frozen=True, slots=True)
class EventCalendar:
    """The whole file by symbol; without a file it is empty."""

    symbols: Mapping[str, SymbolEvents] = field(default_factory=dict)

    def of(self, symbol: str) -> SymbolEvents:
        """Return what is said of a symbol; nothing for one that the file does not name."""
        return self.symbols.get(symbol, UNSAID)


def events_schema() -> Schema:
    """Return the schema of events.yaml."""
    times = {"enum": [t.value for t in ReportTime], "description": "when on that day; if unsure, before_open"}
    amount = {"type": "number", "minimum": 0.0001, "maximum": 10_000, "description": "cash for each share"}
    symbol = _object(
        {
            "earnings": _none_or(_object({"day": _DAY, "time": times}), "days of the reports, or none"),
            "dividends": _none_or(
                _object({"ex_day": _DAY, "amount": amount}), "dividends the broker does not tell of, or none"
            ),
        },
        required=(),
        minProperties=1,
    )
    names = {"pattern": "^[A-Z][A-Z0-9 .]{0,15}$", "description": "a symbol as the broker writes it, such as AAPL"}
    symbols = {"type": "object", "propertyNames": names, "additionalProperties": symbol, "maxProperties": 500}
    return _object({"version": _VERSION, "symbols": symbols})


def _none_or(item: Schema, doc: str) -> Schema:
    listed = {"type": "array", "items": item, "minItems": 1, "maxItems": 100}
    return {"if": {"type": "array"}, "then": listed, "else": {"enum": [NONE]}, "description": doc}


@cache
def _validator() -> Draft7Validator:
    return Draft7Validator(events_schema())


def read_events(text: str, file: str = EVENTS) -> tuple[EventCalendar | None, list[Diagnostic]]:
    """Return what the file says, or every mistake in it in the order of the file; a mistake spoils the whole file."""
    root = source.read(file, text)
    if isinstance(root, Diagnostic):
        return None, [root]
    found = [d for error in _validator().iter_errors(source.plain(root)) for d in _diagnostics(error, root)]
    if found or not isinstance(root, source.Mapping):
        return None, sorted(found, key=lambda d: (d.span, d.message))
    symbols = root.get("symbols")
    assert isinstance(symbols, source.Mapping)
    found = [d for entry in symbols.entries for d in _bad_days(entry)]
    if found:
        return None, found
    return EventCalendar({entry.key: _symbol(entry.value) for entry in symbols.entries}), []


def _bad_days(entry: source.Entry) -> Iterator[Diagnostic]:
    for key, name in (("earnings", "day"), ("dividends", "ex_day")):
        first: dict[str, Span] = {}
        for item in _items(entry.value, key):
            node = item.get(name)
            assert isinstance(node, source.Scalar)
            text = str(node.value)
            try:
                date.fromisoformat(text)
            except ValueError:
                yield Diagnostic(node.span, "bad-value", f"`{name}` is no day of the calendar: {text}")
                continue
            before = first.setdefault(text, node.span)
            if before is not node.span:
                yield Diagnostic(node.span, "bad-value", f"{text} is given twice for {entry.key}, first at {before}")


def _items(symbol: source.Node, key: str) -> tuple[source.Mapping, ...]:
    node = symbol.get(key) if isinstance(symbol, source.Mapping) else None
    items = node.items if isinstance(node, source.Sequence) else ()
    return tuple(item for item in items if isinstance(item, source.Mapping))


def _symbol(node: source.Node) -> SymbolEvents:
    assert isinstance(node, source.Mapping)
    reports = [Report(_day(item, "day"), ReportTime(str(_value(item, "time")))) for item in _items(node, "earnings")]
    dividends = [
        Dividend(_day(item, "ex_day"), float(str(_value(item, "amount")))) for item in _items(node, "dividends")
    ]
    return SymbolEvents(
        None if node.get("earnings") is None else tuple(sorted(reports, key=lambda r: r.day)),
        None if node.get("dividends") is None else tuple(sorted(dividends, key=lambda d: d.ex_day)),
    )


def _value(node: source.Mapping, key: str) -> source.Plain:
    found = node.get(key)
    assert found is not None
    return source.plain(found)


def _day(node: source.Mapping, key: str) -> date:
    return date.fromisoformat(str(_value(node, key)))
