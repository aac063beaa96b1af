"""Reads values out of one file's nodes and collects what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from v6.errors import Diagnostic, Span
from v6.lang import source
from v6.lang.ast import Expr, Fold, Symbol, Track
from v6.lang.hints import did_you_mean
from v6.lang.message import Alert, parse_message
from v6.lang.parse import RESERVED, parse_expression
from v6.lang.types import Checker
from v6.model.decision import AlertSeverity

LONGEST_WINDOW_S: Final = 86_400
"""A window's rows are part of the state that is written with each cycle; longer looks back are fields' business."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FOLD: Final = re.compile(r"\s*([A-Za-z_]+)\s*\((.*)\)\s*", re.DOTALL)
_WINDOW: Final = re.compile(r"(.*),\s*([1-9][0-9]{0,5}[smhd])\s*", re.DOTALL)

_DURATION: Final = re.compile(r"\s*[0-9]+[a-z]*\s*")
"""What somebody may have meant as a duration."""


def seconds(text: str) -> int:
    """Return a schema-valid duration such as 5m in seconds."""
    return int(text[:-1]) * _SECONDS[text[-1]]


class Builder:
    """One file's mapping and the diagnostics of what was read from it."""

    def __init__(self, root: source.Mapping) -> None:
        self.root = root
        self.diagnostics: list[Diagnostic] = []

    def fail(self, span: Span, code: str, message: str, hint: str = "") -> None:
        self.diagnostics.append(Diagnostic(span, code, message, hint))

    def value(self, key: str, default: Any = None) -> Any:
        node = self.root.get(key)
        return default if node is None else source.plain(node)

    def duration(self, key: str) -> int | None:
        """Return the seconds of a duration, None if it is not given."""
        text = self.value(key)
        return None if text is None else seconds(text)

    def expression(self, node: source.Node | None, symbols: Mapping[str, Symbol], offset: int = 0) -> Expr | None:
        """Parse the scalar's text from `offset` on; None after recording why not."""
        assert isinstance(node, source.Scalar)
        text = str(node.value)[offset:]
        parsed = parse_expression(text, symbols, lambda at: node.at(at + offset))
        if isinstance(parsed, list):
            self.diagnostics += parsed
            return None
        return parsed

    def condition(self, key: str, symbols: Mapping[str, Symbol]) -> Expr | None:
        """Return the expression under the key if it is there, sound, and true or false."""
        if self.value(key) is None:
            return None
        expr = self.expression(self.root.get(key), symbols)
        if expr is not None:
            checker = Checker()
            checker.condition(expr)
            self.diagnostics += checker.diagnostics
        return expr

    def named(self, key: str, what: str, taken: Mapping[str, object]) -> Iterable[tuple[str, Span, source.Node]]:
        """Yield the entries of a mapping of new names, after complaining of those that are taken."""
        node = self.root.get(key)
        if not isinstance(node, source.Mapping):
            return
        for entry in node.entries:
            if entry.key in taken or entry.key in RESERVED:
                kind = f"a {what}" if entry.key in taken else "a word of the language"
                self.fail(entry.key_span, "name-taken", f"`{entry.key}` is already {kind}", "choose another name")
            yield entry.key, entry.key_span, entry.value

    def tracks(self, symbols: Mapping[str, Symbol]) -> tuple[Track, ...]:
        """Return the folds that are sound."""
        found = (self._track(*entry, symbols) for entry in self.named("track", "field or param", symbols))
        return tuple(track for track in found if track is not None)

    def _track(self, name: str, span: Span, node: source.Node, symbols: Mapping[str, Symbol]) -> Track | None:
        assert isinstance(node, source.Scalar)
        text = str(node.value)
        match = _FOLD.fullmatch(text)
        folds = [fold.value for fold in Fold]
        if match is None:
            self.fail(node.span, "bad-track", f"`{text}` is not an aggregate", "write max(pnl_ratio) or mean(iv, 1h)")
            return None
        if match[1] not in folds:
            hint = did_you_mean(match[1], folds) or f"the aggregates are {', '.join(folds)}"
            self.fail(node.at(match.start(1)), "bad-track", f"no aggregate `{match[1]}`", hint)
            return None
        fold, end, window = Fold(match[1]), match.end(2), None
        parts = _WINDOW.fullmatch(match[2])
        if fold.windowed is (parts is None):
            message = (
                f"`{fold}` needs to know how far to look back" if parts is None else f"`{fold}` looks at all rows"
            )
            self.fail(node.at(match.start(1)), "bad-track", message, f"write {_rightly(fold, match[2])}")
            return None
        if parts is not None:
            end, window = match.start(2) + parts.end(1), seconds(parts[2])
            if window > LONGEST_WINDOW_S:
                place = node.at(match.start(2) + parts.start(2))
                self.fail(place, "out-of-range", f"`{fold}` looks back for 1d at most")
        inner = source.Scalar(text[:end], node.span, node.raw, node.block)
        expr = self.expression(inner, symbols, match.start(2))
        if expr is None:
            return None
        checker = Checker()
        checker.number(expr)
        self.diagnostics += checker.diagnostics
        return Track(name, fold, expr, span, window)

    def alert(self, symbols: Mapping[str, Symbol]) -> Alert | None:
        """Return the alert if there is one and its text is sound."""
        node = self.root.get("alert")
        if not isinstance(node, source.Mapping):
            return None
        text = node.get("text")
        assert isinstance(text, source.Scalar)
        message = parse_message(str(text.value), symbols, text.at)
        if isinstance(message, list):
            self.diagnostics += message
            return None
        return Alert(AlertSeverity(str(source.plain(node.get("severity") or node))), message)


def _rightly(fold: Fold, inside: str) -> str:
    """Return how the aggregate is written, given what stands in its brackets."""
    expr = ",".join(part for part in inside.split(",") if not _DURATION.fullmatch(part)).strip() or "pnl_ratio"
    return f"{fold}({expr}, 1h)" if fold.windowed else f"{fold}({expr})"
