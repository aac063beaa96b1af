"""Rule tests as values: text of one rules/*.test.yaml to cases, or every mistake with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from v6.errors import Diagnostic, Severity, Span
from v6.lang import source
from v6.lang.ast import fields_of
from v6.lang.builder import seconds
from v6.lang.desk import Rule
from v6.lang.hints import did_you_mean
from v6.lang.schema import validate
from v6.model.catalogue import BY_NAME, Scope, Value
from v6.ruletools.series import judge, read_series

MASKS: Final = frozenset({"fires", "unknown", "alerts"})
"""What is expected of several rules at once."""

DEFAULT_START: Final = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
"""Half an hour after the New York open of a Monday."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be so at one time; only the keys in `wanted` are compared."""

    offset_s: int
    scope: Scope
    wanted: tuple[tuple[str, Any], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Case:
    """Rows `interval_s` apart from `start` on and what the rules must say; a row that is None is not evaluated."""

    title: str
    rules: tuple[Rule, ...]
    start: datetime
    interval_s: int
    rows: tuple[Mapping[str, Value] | None, ...]
    expectations: tuple[Expectation, ...]
    span: Span

    def at(self, step: int) -> datetime:
        """Return the time of a row."""
        return self.start + timedelta(seconds=step * self.interval_s)


@dataclass(frozen=True, slots=True)
class Reading:
    """The cases of one file, none if an error is among the diagnostics."""

    cases: tuple[Case, ...]
    diagnostics: tuple[Diagnostic, ...]


def read_cases(file: str, text: str, bundle: Sequence[Rule], beside: Sequence[Rule] = ()) -> Reading:
    """Read a test file; it may name a rule of the bundle or, for rules not active, one of those `beside` it."""
    root = source.read(file, text)
    found = [root] if isinstance(root, Diagnostic) else validate("test", root)
    if found or not isinstance(root, source.Mapping):
        return Reading((), tuple(found))
    rules: tuple[Rule, ...] = tuple(bundle)
    named = root.get("rule")
    if named is not None:
        known = {rule.id: rule for rule in (*beside, *bundle)}
        rule = known.get(str(source.plain(named)))
        if rule is None:
            message = f"there is no rule `{source.plain(named)}`"
            return Reading((), (Diagnostic(named.span, "unknown-rule", message, did_you_mean(_text(named), known)),))
        rules = (rule,)
    reader = _Cases(root, rules, alone=named is not None)
    cases = reader.cases()
    failed = any(d.severity is Severity.ERROR for d in reader.found)
    return Reading(() if failed else cases, tuple(sorted(reader.found, key=lambda d: (d.span, d.message))))


def _text(node: source.Node) -> str:
    return str(source.plain(node))


class _Cases:
    def __init__(self, root: source.Mapping, rules: tuple[Rule, ...], *, alone: bool) -> None:
        self.root = root
        self.rules = rules
        self.alone = alone
        self.found: list[Diagnostic] = []
        self.scopes = {rule.scope for rule in rules}
        read = {field.name: field for rule in rules for expr in rule.expressions for field in fields_of(expr)}
        self.read = read
        self.needed = {name for name, field in read.items() if not field.nullable}

    def fail(self, span: Span, code: str, message: str, hint: str = "", *, mild: bool = False) -> None:
        severity = Severity.WARNING if mild else Severity.ERROR
        self.found.append(Diagnostic(span, code, message, hint, severity))

    def cases(self) -> tuple[Case, ...]:
        common = self._given(self.root)
        tests = self.root.get("tests")
        assert isinstance(tests, source.Sequence)
        return tuple(self._case(node, common) for node in tests.items if isinstance(node, source.Mapping))

    def _case(self, node: source.Mapping, common: Mapping[str, Value]) -> Case:
        given = {**common, **self._given(node)}
        interval = seconds(_text(node.get("interval") or self.root.get("interval") or node))
        series = self._series(node, given)
        steps = max((len(values) for values in series.values()), default=1)
        rows: list[Mapping[str, Value] | None] = [
            given | {name: values[step] for name, values in series.items()} for step in range(steps)
        ]
        for step in self._unseen(node, interval, steps):
            rows[step] = None
        expect = node.get("expect")
        assert isinstance(expect, source.Sequence)
        return Case(
            _text(node.get("title") or node),
            self.rules,
            self._start(node),
            interval,
            tuple(rows),
            tuple(e for item in expect.items for e in self._expectations(item, interval, rows)),
            node.span,
        )

    def _start(self, node: source.Mapping) -> datetime:
        start = node.get("start") or self.root.get("start")
        if start is None:
            return DEFAULT_START
        try:
            return datetime.fromisoformat(_text(start))
        except ValueError as error:
            self.fail(start.span, "bad-value", f"`{_text(start)}` is not a time: {error}")
            return DEFAULT_START

    def _given(self, node: source.Mapping) -> dict[str, Value]:
        given = node.get("given")
        values: dict[str, Value] = {}
        for entry in given.entries if isinstance(given, source.Mapping) else ():
            field = BY_NAME[entry.key]
            self._is_read(entry)
            plain: Any = source.plain(entry.value)
            value = float(plain) if isinstance(plain, int | float) and not isinstance(plain, bool) else plain
            wrong = judge(field, value, entry.value.span)
            self.found += [wrong] if wrong else []
            values[entry.key] = value
        return values

    def _series(self, node: source.Mapping, given: Mapping[str, Value]) -> dict[str, tuple[Value, ...]]:
        listed = node.get("series")
        series: dict[str, tuple[Value, ...]] = {}
        entries = listed.entries if isinstance(listed, source.Mapping) else ()
        for entry in entries:
            self._is_read(entry)
            values = read_series(BY_NAME[entry.key], entry.value)
            if isinstance(values, list):
                self.found += values
            else:
                series[entry.key] = values
        longest = max(series, key=lambda name: len(series[name]), default="")
        for entry in entries:
            if entry.key in series and len(series[entry.key]) != len(series[longest]):
                message = f"`{entry.key}` has {_count(series[entry.key])}, `{longest}` has {len(series[longest])}"
                self.fail(entry.key_span, "length", message, "give each series a value for each row")
                del series[entry.key]
        self._complete(node, {*given, *(entry.key for entry in entries)})
        return series

    def _is_read(self, entry: source.Entry) -> None:
        if entry.key not in self.read:
            who = "the rule does" if self.alone else "the rules do"
            hint = did_you_mean(entry.key, self.read)
            self.fail(entry.key_span, "unread", f"{who} not read `{entry.key}`", hint, mild=True)

    def _complete(self, node: source.Mapping, there: set[str]) -> None:
        for name in sorted(self.needed - there):
            message = f"`{name}` is never missing in a snapshot, so a test must say what it is"
            self.fail(node.span, "not-given", message, "put it under `given`")

    def _unseen(self, node: source.Mapping, interval: int, steps: int) -> list[int]:
        gaps = node.get("no_rows")
        unseen: list[int] = []
        for gap in gaps.items if isinstance(gaps, source.Sequence) else ():
            plain: Any = source.plain(gap)
            first, until = seconds(plain["from"]), seconds(plain["to"])
            steps_in = range(min(steps, -(-first // interval)), min(steps, -(-until // interval)))
            if not steps_in:
                self.fail(
                    gap.span, "no-effect", "no row lies in this time", f"the last is at {_offset(steps, interval)}"
                )
            unseen += steps_in
        return unseen

    def _expectations(
        self, node: source.Node, interval: int, rows: Sequence[Mapping[str, Value] | None]
    ) -> list[Expectation]:
        assert isinstance(node, source.Mapping)
        wanted = tuple((e.key, source.plain(e.value)) for e in node.entries if e.key not in {"at", "row"})
        if not wanted:
            self.fail(
                node.span,
                "no-effect",
                "nothing is expected here",
                "add fires, unknown, alerts, first or signal",
            )
        self._wanted(node)
        scope = self._scope(node)
        expected = []
        at = node.get("at") or node
        for place in at.items if isinstance(at, source.Sequence) else (at,):
            offset = seconds(_text(place))
            step, rest = divmod(offset, interval)
            if rest or step >= len(rows) or rows[step] is None:
                hint = f"rows are {interval} s apart, the last at {_offset(len(rows), interval)}"
                self.fail(place.span, "no-row", f"there is no row at {_text(place)}", hint)
            expected.append(Expectation(offset, scope, wanted, place.span))
        return expected

    def _scope(self, node: source.Mapping) -> Scope:
        row = node.get("row")
        if row is None:
            return Scope.POSITION if Scope.POSITION in self.scopes else Scope.PORTFOLIO
        scope = Scope(_text(row))
        if scope not in self.scopes:
            self.fail(row.span, "scope", f"no rule that is tested here has the scope {scope}")
        return scope

    def _wanted(self, node: source.Mapping) -> None:
        ids = [rule.id for rule in self.rules]
        for entry in node.entries:
            value: Any = source.plain(entry.value)
            if entry.key == "signal" and not self.alone:
                self.fail(entry.key_span, "ambiguous", "a signal is one rule's", "name the `rule` of this file")
            if entry.key in MASKS and isinstance(value, bool) and not self.alone:
                hint = f"list them: {entry.key}: [{ids[0]}], or [] for none" if ids else ""
                self.fail(entry.value.span, "ambiguous", f"`{entry.key}` of which rules?", hint)
            named: list[str] = []
            if entry.key in MASKS and isinstance(value, list):
                named = value
            elif entry.key == "first" and value is not None:
                named = [value]
            for rule_id in named:
                if rule_id not in ids:
                    hint = did_you_mean(rule_id, ids) or f"tested here: {', '.join(ids)}"
                    self.fail(entry.value.span, "unknown-rule", f"`{rule_id}` is not tested here", hint)


def _offset(steps: int, interval: int) -> str:
    total = (steps - 1) * interval
    return f"{total // 60}m" if total % 60 == 0 else f"{total}s"


def _count(values: Sequence[object]) -> str:
    return f"{len(values)} value{'' if len(values) == 1 else 's'}"
