"""A diff as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from v6.replay.diff import Diff, OnRecord
from v6.replay.diff_edits import Changed, RuleEdit
from v6.replay.diff_effect import Distribution, Effect
from v6.replay.diff_words import (
    bars,
    caveats,
    dollars,
    effect_line,
    exit_words,
    proof_lines,
    summary,
    verdict_word,
)

SHOWN_CHANGES: Final = 2000

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; border-top: 1px solid #8884; padding-top: 1rem; }
table { border-collapse: collapse; margin: .6rem 0; } .wide { overflow-x: auto; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8883; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-family: ui-monospace, monospace; } .bar { color: #3b82c4; white-space: nowrap; }
.lead { font-size: 1.1rem; } .quiet { opacity: .7; } .loose { color: #c2410c; }
"""


def html(diff: Diff) -> str:
    """Return the page."""
    title = f"V6 diff: {diff.old} to {diff.new}"
    body = "\n".join(_body(diff))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _body(diff: Diff) -> Iterator[str]:
    yield f'<p class="lead">{escape(summary(diff))}</p>'
    yield f'<p class="quiet">Fingerprints {diff.old_fingerprint[:12]} and {diff.new_fingerprint[:12]}.</p>'
    if diff.edits.loosenings:
        items = "".join(f"<li><code>{escape(i.name)}</code>: {escape(i.reason)}</li>" for i in diff.edits.loosenings)
        yield f'<h2 class="loose">What may be looser</h2><ul>{items}</ul>'
    effects = {} if diff.record is None else {effect.rule_id: effect.effect for effect in diff.record.rules}
    for edit in diff.edits.rules:
        yield from _rule(edit, effects.pop(edit.rule_id, None))
    for rule_id, effect in effects.items():
        yield f"<h2><code>{escape(rule_id)}</code> <span class='quiet'>not edited, decides otherwise</span></h2>"
        yield from _distribution(effect)
    for title, changes in (("Limits", diff.edits.limits), ("Strategies", diff.edits.strategies)):
        if changes:
            yield f"<h2>{title}</h2>{_values(changes)}"
    if diff.record is not None and diff.record.changed:
        yield from _record(diff.record)


def _record(record: OnRecord) -> Iterator[str]:
    yield "<h2>All effects</h2>"
    yield from _distribution(record.effect)
    yield from (f"<p>{escape(text)}</p>" for text in caveats(record))
    rows = [
        (f"{c.first:%Y-%m-%d %H:%M}", c.key or "portfolio", c.old or "none", c.new or "none", f"{c.rows:,}")
        for c in record.changes[:SHOWN_CHANGES]
    ]
    yield f"<h2>Changed decisions</h2>{_table(('day, first', 'position', 'old', 'new', 'snapshots'), rows)}"
    if len(record.changes) > SHOWN_CHANGES:
        yield f"<p>and {len(record.changes) - SHOWN_CHANGES:,} more; <code>--json</code> has all.</p>"


def _rule(edit: RuleEdit, effect: Distribution | None) -> Iterator[str]:
    loose = " loose" if edit.looser else ""
    word = f"<span class='quiet{loose}'>{edit.kind}, {verdict_word(edit)}</span>"
    yield f"<h2><code>{escape(edit.rule_id)}</code> {word}</h2>"
    yield _values((*edit.params, *edit.texts))
    if edit.comparison is not None:
        yield f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in proof_lines(edit.comparison))}</ul>"
    if effect is not None:
        yield from _distribution(effect)


def _values(changes: Iterable[Changed]) -> str:
    return _table(("value", "old", "new"), [(c.path, c.old or "", c.new or "") for c in changes])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _distribution(effect: Distribution) -> Iterator[str]:
    if not effect.positions:
        return
    said = effect_line(effect)
    yield f"<p>{escape(said[0].upper() + said[1:])}.</p>"
    if effect.quantiles:
        heads = ("mean", *(f"{float(q):.0%}" for q in effect.quantiles))
        yield _table(heads, [[dollars(value) for value in (effect.mean, *effect.quantiles.values())]])
    if len(effect.histogram) > 1:
        drawn = "".join(
            f'<tr><td class="number">{escape(place)}</td><td class="number">{count:,}</td>'
            f'<td class="bar">{bar}</td></tr>'
            for place, count, bar in bars(effect.histogram)
        )
        yield f'<div class="wide"><table>{drawn}</table></div>'
    for title, effects in (("worst", effect.worst), ("best", effect.best)):
        yield _table((title, "old", "new", "$ effect"), [_listed(e) for e in effects])


def _listed(effect: Effect) -> tuple[str, ...]:
    return effect.key, exit_words(effect.old), exit_words(effect.new), dollars(effect.usd)
