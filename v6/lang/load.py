"""Texts to a desk: everything that can be judged without evaluating a rule; `v6.rules.load` adds the examples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from v6.errors import ConfigError, Diagnostic, Severity, Span
from v6.lang import source
from v6.lang.build import build_limits, build_rule, build_strategy
from v6.lang.canonical import fingerprint, plain_value
from v6.lang.check import check_strategies, check_together
from v6.lang.desk import Desk, Limits, Rule, StrategyTemplate
from v6.lang.hints import did_you_mean
from v6.lang.schema import validate

T = TypeVar("T")

BUNDLE: Final = "rules/bundle.yaml"
LIMITS: Final = "rules/limits.yaml"
SHADOW: Final = "rules/shadow.yaml"
"""The optional candidate bundle."""

_OWN: Final = (BUNDLE, LIMITS, SHADOW)
_TEXT: Final = frozenset({"title"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What came out of the texts: a desk unless an error is among the diagnostics, and the rules that are sound."""

    desk: Desk | None
    rules: tuple[Rule, ...]
    diagnostics: tuple[Diagnostic, ...]


def read_desk(files: Mapping[str, str], unreadable: Collection[str] = ()) -> Reading:
    """Parse and check texts by their names relative to the desk's root, such as rules/take_profit.yaml.

    The `unreadable` names exist, but their texts could not be had; someone else reports that.
    """
    reader = _Reader(files, unreadable)
    desk = reader.desk()
    diagnostics = tuple(sorted(reader.diagnostics, key=lambda d: (d.span, d.message)))
    failed = any(d.severity is Severity.ERROR for d in diagnostics)
    return Reading(None if failed else desk, tuple(reader.rules), diagnostics)


def read_rule(file: str, text: str) -> Rule:
    """Return the rule of one text; raises ConfigError."""
    return _read_one(file, text, "rule", build_rule)


def read_strategy(file: str, text: str) -> StrategyTemplate:
    """Return the template of one text, active in a desk or not; raises ConfigError."""
    return _read_one(file, text, "strategy", build_strategy)


def _read_one(
    file: str, text: str, kind: str, build: Callable[[source.Mapping], tuple[T | None, list[Diagnostic]]]
) -> T:
    reader = _Reader({file: text}, ())
    node = reader._valid(file, kind)
    value, found = (None, []) if node is None else build(node)
    if value is None:
        raise ConfigError([*reader.diagnostics, *found])
    return value


class _Reader:
    def __init__(self, files: Mapping[str, str], unreadable: Collection[str]) -> None:
        self.files = files
        self.unreadable = unreadable
        self.diagnostics: list[Diagnostic] = []
        self.rules: list[Rule] = []
        self.places: dict[str, dict[str, Span]] = {}
        self._listed_files: list[str] = [*_OWN]

    def desk(self) -> Desk | None:
        bundle = self._valid(BUNDLE, "bundle")
        limits = self._limits()
        if bundle is None:
            return None
        rules = self._listed(bundle, "rules", "rule", build_rule)
        strategies = self._listed(bundle, "strategies", "strategy", build_strategy)
        shadow = self._shadow()
        self._inactive(bundle)
        self.rules = [rule for _, rule in rules]
        self.diagnostics += check_together(self.rules, self.places)
        self.diagnostics += check_strategies([(s, self.places[file]["id"]) for file, s in strategies])
        if limits is None:
            return None
        ordered = tuple(sorted(self.rules, key=lambda rule: rule.priority))
        by_id = tuple(sorted((s for _, s in strategies), key=lambda s: s.id))
        self.rules += [rule for rule in shadow if rule not in self.rules]
        return Desk(ordered, by_id, limits, desk_fingerprint(ordered, by_id, limits), shadow)

    def _shadow(self) -> tuple[Rule, ...]:
        if SHADOW not in self.files and SHADOW not in self.unreadable:
            return ()
        node = self._valid(SHADOW, "shadow")
        if node is None:
            return ()
        known = len(self.diagnostics)
        rules = [rule for _, rule in self._listed(node, "rules", "rule", build_rule)]
        # What is wrong with a file that the bundle lists too was said there.
        fresh = [d for d in self.diagnostics[known:] if d not in self.diagnostics[:known]]
        self.diagnostics[known:] = [*fresh, *check_together(rules, self.places)]
        self._listed_files += [f"rules/{source.plain(item)}" for item in _items(node.get("rules"))]
        return tuple(sorted(rules, key=lambda rule: rule.priority))

    def _valid(self, file: str, kind: str) -> source.Mapping | None:
        if file in self.unreadable:
            return None
        if file not in self.files:
            self.diagnostics.append(Diagnostic(Span(file, 1, 1), "missing-file", f"{file} does not exist"))
            return None
        node = source.read(file, self.files[file])
        if isinstance(node, Diagnostic):
            self.diagnostics.append(node)
            return None
        found = validate(kind, node)
        self.diagnostics += found
        if found or not isinstance(node, source.Mapping):
            return None
        self.places[file] = {entry.key: entry.key_span for entry in node.entries}
        return node

    def _limits(self) -> Limits | None:
        node = self._valid(LIMITS, "limits")
        return None if node is None else build_limits(node)

    def _listed(
        self,
        bundle: source.Mapping,
        key: str,
        kind: str,
        build: Callable[[source.Mapping], tuple[T | None, list[Diagnostic]]],
    ) -> list[tuple[str, T]]:
        listed = bundle.get(key)
        assert isinstance(listed, source.Sequence)
        built: list[tuple[str, T]] = []
        for item in listed.items:
            file = f"{key}/{source.plain(item)}"
            if file in self.unreadable:
                continue
            if file not in self.files or file in _OWN:
                known = [name.removeprefix(f"{key}/") for name in self.files if name.startswith(f"{key}/")]
                hint = did_you_mean(str(source.plain(item)), known)
                self.diagnostics.append(Diagnostic(item.span, "missing-file", f"there is no {kind} file {file}", hint))
                continue
            node = self._valid(file, kind)
            if node is None:
                continue
            value, found = build(node)
            self.diagnostics += found
            if value is not None:
                built.append((file, value))
        return built

    def _inactive(self, bundle: source.Mapping) -> None:
        listed = _named_files(bundle)
        resting = bundle.get("inactive")
        if isinstance(resting, source.Mapping):
            for file, span in _named_files(resting).items():
                if file in listed:
                    self.diagnostics.append(Diagnostic(span, "bad-value", f"{file} is listed as active too"))
                elif file not in self.files and file not in self.unreadable:
                    self.diagnostics.append(Diagnostic(span, "missing-file", f"{file} does not exist"))
            listed |= _named_files(resting)
        for file in sorted(self.files):
            if file in listed or file in self._listed_files or file.startswith("rules/extra/"):
                continue
            if file.endswith(".yaml") and not file.endswith(".test.yaml"):
                message = f"not listed in {BUNDLE}, so it is not active"
                hint = "list it under `inactive` if that is meant"
                self.diagnostics.append(Diagnostic(Span(file, 1, 1), "inactive", message, hint, Severity.WARNING))


def _items(node: source.Node | None) -> tuple[source.Node, ...]:
    return node.items if isinstance(node, source.Sequence) else ()


def _named_files(node: source.Mapping) -> dict[str, Span]:
    """Return the files that a bundle, or its list of inactive ones, names, each with its place."""
    keys = ("rules", "strategies")
    return {f"{key}/{source.plain(item)}": item.span for key in keys for item in _items(node.get(key))}


def desk_fingerprint(rules: tuple[Rule, ...], strategies: tuple[StrategyTemplate, ...], limits: Limits) -> str:
    """Return the fingerprint of a whole desk."""
    return fingerprint(
        {
            "rules": [rule.fingerprint for rule in rules],
            "strategies": [plain_value(strategy, _TEXT) for strategy in strategies],
            "limits": plain_value(limits),
        }
    )
