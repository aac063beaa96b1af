"""One layout for a desk's files, whoever wrote them; comments stay, and the meaning never changes."""

from __future__ import annotations

from collections.abc import Iterator

from v6.errors import Diagnostic, Severity, Span
from v6.lang import source
from v6.lang.ast import Expr
from v6.lang.build import build_rule, build_strategy
from v6.lang.canonical import fingerprint, plain_value
from v6.lang.desk import Rule
from v6.lang.load import BUNDLE, LIMITS, SHADOW
from v6.lang.schema import schemas, validate
from v6.ruletools.comments import is_flow, read_notes
from v6.ruletools.layout import Expressions, Layout
from v6.ruletools.spelling import Aggregate


def kind_of(name: str) -> str | None:
    """Return the kind of a desk's file by its name relative to the desk, None if it is none of a desk's."""
    if name in (BUNDLE, LIMITS, SHADOW):
        return {BUNDLE: "bundle", LIMITS: "limits", SHADOW: "shadow"}[name]
    if not name.endswith(".yaml"):
        return None
    if name.startswith("rules/"):
        return "test" if name.endswith(".test.yaml") else "rule"
    return "strategy" if name.startswith("strategies/") else None


def format_text(name: str, kind: str, text: str) -> str | list[Diagnostic]:
    """Return the file in canonical layout, or why it is left alone: it does not parse, or it would come to harm."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    read = _read(name, kind, plain)
    if isinstance(read, list):
        return read
    root, expressions, meaning = read
    if is_flow(plain.split("\n"), root):
        return [Diagnostic(root.span, "not-formatted", "the whole file is in brackets", "write one key a line")]
    notes = read_notes(plain, root)
    written = Layout(plain, notes, schemas()[kind], expressions).text(root)
    again = _read(name, kind, written)
    if isinstance(again, list) or again[2] != meaning or _values(again[0], again[1]) != _values(root, expressions):
        return [_refused(root, "the formatted file would not mean the same")]
    if sorted(read_notes(written, again[0]).comments) != sorted(notes.comments):
        return [_refused(root, "a comment would be lost")]
    return written


def _refused(root: source.Mapping, why: str) -> Diagnostic:
    return Diagnostic(root.span, "not-formatted", f"{why}, so the file is left as it is", "please report this file")


def _read(name: str, kind: str, text: str) -> tuple[source.Mapping, Expressions, str] | list[Diagnostic]:
    """Return the root, its expressions and the fingerprint of what it means, or the errors in it."""
    root = source.read(name, text)
    if isinstance(root, Diagnostic):
        return [root]
    found = validate(kind, root)
    if found or not isinstance(root, source.Mapping):
        return found
    if kind == "rule":
        rule, found = build_rule(root)
        errors = [d for d in found if d.severity is Severity.ERROR]
        return errors if rule is None else (root, dict(_of_rule(root, rule)), rule.fingerprint)
    if kind == "strategy":
        strategy, found = build_strategy(root)
        entry = root.get("entry")
        when = entry.get("when") if isinstance(entry, source.Mapping) else None
        if strategy is None or when is None:
            return found
        meaning = fingerprint({"strategy": plain_value(strategy)})
        return root, {when.span: strategy.entry.when}, meaning
    return root, {}, ""


def _of_rule(root: source.Mapping, rule: Rule) -> Iterator[tuple[Span, Aggregate | Expr]]:
    for key, expr in (("when", rule.when), ("fallback", rule.fallback)):
        node = root.get(key)
        if node is not None and expr is not None:
            yield node.span, expr
    tracks = root.get("track")
    folds = {track.name: track for track in rule.tracks}
    for entry in tracks.entries if isinstance(tracks, source.Mapping) else ():
        track = folds[entry.key]
        # A duration stays as it was written, as do those of `for` and its like.
        _, _, window = str(source.plain(entry.value)).rpartition(",")
        aggregate = Aggregate(track.fold, track.expr, window.strip(" )\n\t") if track.fold.windowed else "")
        yield entry.value.span, aggregate


def _values(node: source.Node, expressions: Expressions) -> object:
    """Return the plain values, without the texts of expressions: those are compared by their meaning."""
    match node:
        case source.Scalar():
            return "" if node.span in expressions else (type(node.value), node.value)
        case source.Sequence(items=items):
            return [_values(item, expressions) for item in items]
        case source.Mapping(entries=entries):
            return {entry.key: _values(entry.value, expressions) for entry in entries}
