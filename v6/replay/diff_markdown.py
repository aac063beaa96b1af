"""A diff as GitHub-flavoured Markdown, fit for a pull request or a job summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from v6.replay.diff import Diff, OnRecord, RuleEffect
from v6.replay.diff_edits import Changed, RuleEdit
from v6.replay.diff_effect import Distribution, Effect
from v6.replay.diff_words import (
    bars,
    caveats,
    dollars,
    edit_line,
    effect_line,
    exit_words,
    proof_lines,
    summary,
    verdict_word,
)
from v6.report import counted

LONGEST: Final = 60_000
"""Characters; GitHub takes 65,536 in a comment."""

SHOWN_CHANGES: Final = 20
_SHOWN_POSITIONS: Final = 5
_SPECIAL: Final = frozenset("\\`*_{}[]<>#|~@&$")


def markdown(diff: Diff) -> str:
    """Return the diff: a line, a table of rules, and the rest folded away; sections that are too much are left out."""
    head = [f"### V6 diff: {code(diff.old)} → {code(diff.new)}", "", f"**{escape(summary(diff))}**", ""]
    text = "\n".join([*head, *_overview(diff)]) + "\n"
    left_out = 0
    for title, lines in _sections(diff):
        section = "\n".join(["<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>", ""])
        if len(text) + len(section) > LONGEST:
            left_out += 1
        else:
            text += "\n" + section
    if left_out:
        text += f"\n{counted(left_out, 'section')} did not fit; `v6 diff --json` has all.\n"
    marks = f"{diff.old_fingerprint[:12]} → {diff.new_fingerprint[:12]}"
    return (
        text + f"\n<sub>fingerprints {marks}; P&amp;L at the recorded mark less half the spread and commission</sub>\n"
    )


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, also in a table's cell."""
    return "".join(f"&#{ord(c)};" if c in _SPECIAL else " " if c in "\r\n" else c for c in text)


def code(text: str) -> str:
    """Return text as code; entities, as backticks in it would end a span."""
    return f"<code>{escape(text)}</code>"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    return [_row(heads), _row("---" for _ in heads), *(_row(row) for row in rows)]


def _overview(diff: Diff) -> list[str]:
    effects = {} if diff.record is None else {effect.rule_id: effect for effect in diff.record.rules}
    edited = {edit.rule_id: edit for edit in diff.edits.rules}
    heads = ("rule", "edit", "judgement", "decisions", "positions", "days", "$ effect")
    rows = []
    for rule_id in dict.fromkeys([*edited, *effects]):
        edit, effect = edited.get(rule_id), effects.get(rule_id)
        said = "not edited" if edit is None else _short(edit)
        rows.append((code(rule_id), said, "" if edit is None else verdict_word(edit), *_figures(diff.record, effect)))
    lines = _table(heads, rows) if rows else []
    if diff.edits.order is not None:
        lines += ["", f"Order: {code(', '.join(diff.edits.order[0]))} → {code(', '.join(diff.edits.order[1]))}"]
    return lines


def _short(edit: RuleEdit) -> str:
    if edit.kind != "changed":
        return edit.kind
    changes = [*edit.params, *edit.texts]
    more = f" and {len(changes) - 2} more" if len(changes) > 2 else ""
    return ", ".join(code(edit_line(c).removeprefix(f"{edit.rule_id}.")[:120]) for c in changes[:2]) + more


def _figures(record: OnRecord | None, effect: RuleEffect | None) -> tuple[str, ...]:
    if record is None or not record.rows:
        return ("", "", "", "")
    if effect is None:
        return ("0", "0", "0", "")
    money = "" if not effect.effect.positions else escape(dollars(effect.effect.total))
    return (f"-{effect.fewer:,} / +{effect.more:,}", f"{effect.positions:,}", f"{effect.days:,}", money)


def _sections(diff: Diff) -> Iterator[tuple[str, list[str]]]:
    effects = {} if diff.record is None else {effect.rule_id: effect for effect in diff.record.rules}
    if diff.edits.loosenings:
        found = (f"- {code(item.name)}: {escape(item.reason)}" for item in diff.edits.loosenings)
        yield "What may be looser", list(found)
    for edit in diff.edits.rules:
        yield f"{code(edit.rule_id)} {edit.kind}", _of_rule(edit, effects.get(edit.rule_id))
    for title, changes in (("Limits", diff.edits.limits), ("Strategies", diff.edits.strategies)):
        if changes:
            yield f"{title}: {counted(len(changes), 'value')} changed", _values(changes)
    if diff.record is not None and diff.record.changed:
        yield "All effects", [*_distribution(diff.record.effect), *(f"\n{escape(c)}" for c in caveats(diff.record))]
        yield "Changed decisions", _changes(diff.record)


def _values(changes: Iterable[Changed]) -> list[str]:
    rows = (
        (code(c.path), "" if c.old is None else code(c.old), "" if c.new is None else code(c.new)) for c in changes
    )
    return _table(("value", "old", "new"), rows)


def _of_rule(edit: RuleEdit, effect: RuleEffect | None) -> list[str]:
    lines = _values((*edit.params, *edit.texts))
    if edit.comparison is not None:
        lines += ["", *(f"- {escape(line)}" for line in proof_lines(edit.comparison))]
    if edit.looser is not None:
        lines.append(f"- {escape(f'May be looser: {edit.looser}.')}")
    return lines if effect is None else [*lines, *_distribution(effect.effect)]


def _distribution(effect: Distribution) -> list[str]:
    if not effect.positions:
        return []
    lines = ["", escape(effect_line(effect)[0].upper() + effect_line(effect)[1:]) + ".", ""]
    if effect.quantiles:
        heads = ("mean", *(f"{float(q):.0%}" for q in effect.quantiles))
        values = (effect.mean, *effect.quantiles.values())
        lines += [*_table(heads, [[escape(dollars(v)) for v in values]]), ""]
    if len(effect.histogram) > 1:
        drawn = ((escape(place), f"{count:,}", bar) for place, count, bar in bars(effect.histogram))
        lines += [*_table(("$ effect", "positions", ""), drawn), ""]
    for title, effects in (("worst", effect.worst), ("best", effect.best)):
        lines += [*_table((title, "old", "new", "$ effect"), map(_listed, effects[:_SHOWN_POSITIONS])), ""]
    return lines


def _listed(effect: Effect) -> tuple[str, ...]:
    old, new = escape(exit_words(effect.old)), escape(exit_words(effect.new))
    return code(effect.key), old, new, escape(dollars(effect.usd))


def _changes(record: OnRecord) -> list[str]:
    rows = (
        (f"{c.first:%Y-%m-%d %H:%M}", code(c.key or "portfolio"), _decision(c.old), _decision(c.new), f"{c.rows:,}")
        for c in record.changes[:SHOWN_CHANGES]
    )
    lines = _table(("day, first", "position", "old", "new", "snapshots"), rows)
    more = len(record.changes) - SHOWN_CHANGES
    return [*lines, "", f"and {more:,} more"] if more > 0 else lines


def _decision(text: str | None) -> str:
    return "none" if text is None else escape(text)
