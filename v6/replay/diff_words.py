"""What a diff says in words, for whoever prints it: as text, Markdown or HTML."""

from __future__ import annotations

from collections.abc import Iterator

from v6.lint.compare import Comparison, Outcome
from v6.replay.diff import Diff, OnRecord
from v6.replay.diff_edits import Changed, RuleEdit
from v6.replay.diff_effect import Distribution, Exit
from v6.report import counted


def dollars(value: float | None) -> str:
    """Return an amount with its sign, `unknown` where there is none."""
    if value is None:
        return "unknown"
    return f"{'-' if value < -0.005 else '+'}${abs(value):,.2f}"


def summary(diff: Diff) -> str:
    """Return the diff in one line."""
    loose = len(diff.edits.loosenings)
    warning = f" {counted(loose, 'edit')} may loosen what protects you." if loose else ""
    if diff.record is None:
        said = "no decision can change: proven for all rows" if diff.edits.same else "the rules differ in meaning"
        return f"{said[0].upper()}{said[1:]}; no record was looked at.{warning}"
    return f"{_on_record(diff, diff.record)}{warning}"


def _on_record(diff: Diff, record: OnRecord) -> str:
    if record.first is None or record.last is None:
        return "Nothing is recorded yet, so what would change on history is unknown."
    where = f"{counted(record.snapshots, 'snapshot')}, {record.first:%Y-%m-%d} to {record.last:%Y-%m-%d}"
    if not record.changed:
        proof = "proven for all rows" if diff.edits.same else "on this record; other rows may differ"
        return f"No decision changes ({proof}): {where}."
    money = f"; {effect_line(record.effect)}" if record.effect.positions else ""
    verb = "changes" if record.changed == 1 else "change"
    positions = f" on {counted(record.positions, 'position')}" if record.positions else ""
    return f"{counted(record.changed, 'decision')} {verb}{positions} in {where}{money}."


def effect_line(effect: Distribution) -> str:
    """Return the total, and on how many positions it is known."""
    known = effect.positions - effect.unknown
    if not known:
        return f"$ effect unknown on all {counted(effect.positions, 'position')} whose exit changes"
    return f"{dollars(effect.total)} on {known:,} of {counted(effect.positions, 'position')} whose exit changes"


def verdict_word(edit: RuleEdit) -> str:
    """Return whether the edit loosens the rule, in a word or two."""
    if edit.looser is not None:
        return "may be looser"
    if edit.tells:
        return "only tells"
    if edit.comparison is not None and edit.comparison.outcome is Outcome.SAME:
        return "same, proven"
    return "tighter, proven"


def proof_lines(comparison: Comparison) -> Iterator[str]:
    """Yield what the solver knows of two versions of a rule."""
    match comparison.outcome:
        case Outcome.SAME:
            yield "No difference: proven for all rows, its timers and folds included."
        case Outcome.UNDECIDED:
            yield "The solver neither proved the conditions equal nor found a row on which they differ."
        case Outcome.DIFFERS if comparison.verdicts is Outcome.SAME:
            yield "Its condition is proven to have the same verdict on every row; what follows from it differs."
        case _:
            pass
    for example in comparison.examples:
        yield f"With {example.row}: old {_truth(example.old)}, new {_truth(example.new)}."
    for aspect in comparison.timing:
        yield f"{aspect}."
    if comparison.note:
        yield f"Not covered by the proof: {comparison.note}."


def _truth(value: bool | None) -> str:
    return "unknown" if value is None else "true" if value else "false"


def edit_line(changed: Changed) -> str:
    """Return a changed value as `path: old -> new`."""
    return f"{changed.path}: {_there(changed.old)} -> {_there(changed.new)}"


def _there(value: str | None) -> str:
    return "(absent)" if value is None else value


def exit_words(found: Exit) -> str:
    """Return a side's way out of a position."""
    if found.rule_id is None or found.ts is None:
        return f"held, {dollars(found.pnl)}"
    return f"{found.rule_id} {found.ts:%Y-%m-%d %H:%M}, {dollars(found.pnl)}"


def caveats(record: OnRecord) -> Iterator[str]:
    """Yield what the dollars leave out."""
    if record.effect.cut_short:
        yield (
            f"{counted(record.effect.cut_short, 'position')} would be held for longer than the record follows them, "
            "as the desk had closed them: what came after is unknown, and the total is of the others only."
        )
    other = record.effect.unknown - record.effect.cut_short
    if other:
        yield f"{counted(other, 'position')} lack a recorded mark, spread, multiplier or commission; in no figure."
    for gap in record.lacking:
        rules, days = ", ".join(gap.rules), counted(gap.days, "day")
        yield f"{rules}: the record has no `{gap.field}` on {days} ({gap.first} to {gap.last}); unknown there."
    if record.reductions:
        yield "Reductions are among the decisions, but not in the dollars."
    if record.alerts:
        told = ", ".join(f"{rule} {count:,}" for rule, count in record.alerts.items())
        yield f"Rows on which only one side tells of it: {told}."


def bars(histogram: tuple[tuple[float, float, int], ...]) -> Iterator[tuple[str, int, str]]:
    """Yield each bin's bounds, count and a bar of up to 24 blocks."""
    most = max((count for _, _, count in histogram), default=0)
    for low, high, count in histogram:
        width = round(24 * count / most) if most else 0
        yield f"{dollars(low)} to {dollars(high)}", count, "█" * max(width, 1 if count else 0)
