"""Rules as one DuckDB query over stored snapshots: the same decisions and masks as the live evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, assert_never

from v6.backends.sql import Columns, finite, lower
from v6.lang.ast import Fold, Track, fields_of
from v6.lang.canonical import track_meaning
from v6.lang.desk import GAP_S, OnMissing, Rule
from v6.model.catalogue import Kind, Scope
from v6.model.decision import ActionKind

_TYPES: Final = {Kind.NUMBER: "DOUBLE", Kind.BOOL: "BOOLEAN", Kind.ENUM: "VARCHAR"}

_ROWS: Final = "PARTITION BY key ORDER BY t"
_WINDOWS: Final = (
    f"WINDOW life AS ({_ROWS} ROWS UNBOUNDED PRECEDING), "
    f"earlier AS ({_ROWS} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)
_LATER: Final = f"({_ROWS} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"


def replay_sql(rules: Sequence[Rule], relation: str = "snapshots") -> str:
    """Return the query that decides every stored row.

    `relation` has snapshot_id, key ('' for the portfolio), ts and a column for each field the rules read; (key, ts) is
    unique. The answer has snapshot_id, key, ts, rule_id, fired, unknown, alerts, pending: one row for each of the
    input, in no order. `pending` has the rules whose `for` is running.
    """
    return _Replay(rules, relation).text()


class _Replay:
    """Stages of the query; each adds columns to the one before."""

    def __init__(self, rules: Sequence[Rule], relation: str) -> None:
        self.rules = rules
        self.relation = relation
        self.folds: Columns = {}
        self.stages: list[tuple[str, str]] = []
        for rule in rules:
            for track in rule.live_tracks:
                self.folds.setdefault(track_meaning(track), f"fold{len(self.folds)}")

    def text(self) -> str:
        gap = f"coalesce(t - lag(t) OVER life > {_micro(GAP_S)}, TRUE) AS restart"
        self.stages.append(("input", f"SELECT {', '.join(self._inputs())} FROM {self.relation}"))
        self._stage("folded", [gap, *self._folds()])
        self._stage("judged", self._verdicts())
        self._stage("marked", self._starts())
        self._stage("timed", self._times())
        self._stage("based", self._outcomes())
        self._stage("kept", self._kept())
        self._stage("ended", self._ends())
        for bit, rule in enumerate(self.rules):
            if rule.stands_aside:
                self._once(f"acts{bit}", bit, rule, self._free(bit), rule.cooldown_s, latch=rule.latches)
        for bit, rule in enumerate(self.rules):
            if rule.alert is not None:
                pause = rule.cooldown_s if rule.then.kind is ActionKind.ALERT else 0
                self._once(f"tells{bit}", bit, rule, f"fired{bit}", pause, latch=True)
        chain = ",\n".join(f"{name} AS {body}" for name, body in self._bodies())
        told = [bit for bit, rule in enumerate(self.rules) if rule.alert is not None]
        timed = [bit for bit, rule in enumerate(self.rules) if rule.for_s]
        everything = range(len(self.rules))
        masks = (
            f"{_mask('fired', everything)} AS fired, {_mask('unknown', everything)} AS unknown, "
            f"{_mask('tells', told)} AS alerts, {_mask('pends', timed)} AS pending"
        )
        last = self.stages[-1][0]
        return f"WITH RECURSIVE {chain}\nSELECT snapshot_id, key, ts, {self._first()} AS rule_id, {masks} FROM {last}"

    # -- stages ----------------------------------------------------------------------------------------------------

    def _stage(self, name: str, columns: Iterable[str]) -> None:
        listed = list(columns)
        if listed:
            self.stages.append((name, f"SELECT {', '.join(['*', *listed])} FROM {self.stages[-1][0]} {_WINDOWS}"))

    def _bodies(self) -> Iterator[tuple[str, str]]:
        read = [body for _, body in self.stages]
        for name, body in self.stages:
            # What several stages read is worked out once.
            often = sum(f" {name} " in f" {other} " for other in read) > 1
            yield name, f"{'MATERIALIZED ' if often else ''}(\n  {body}\n)"

    def _inputs(self) -> Iterator[str]:
        yield from ("snapshot_id", "key", "ts", "epoch_us(ts) AS t")
        read = {field.name: field for rule in self.rules for expr in rule.expressions for field in fields_of(expr)}
        for field in read.values():
            yield f'CAST("{field.name}" AS {_TYPES[field.kind]}) AS "{field.name}"'

    def _folds(self) -> Iterator[str]:
        for track in {track_meaning(t): t for rule in self.rules for t in rule.live_tracks}.values():
            yield f"{_fold(track)} AS {self.folds[track_meaning(track)]}"

    def _verdicts(self) -> Iterator[str]:
        for bit, rule in enumerate(self.rules):
            texts = ", ".join(lower(condition, self.folds) for condition in rule.conditions)
            yield f"coalesce({texts}) AS verdict{bit}"

    def _starts(self) -> Iterator[str]:
        """Mark the rows at which a timer starts, so that its start is the latest mark: one sort serves all rules."""
        for bit, rule in enumerate(self.rules):
            verdict = f"verdict{bit}"
            if rule.for_s:
                reset = f"max(CASE WHEN restart OR NOT {verdict} THEN t END) OVER life"
                last_true = f"max(CASE WHEN {verdict} THEN t END) OVER earlier"
                yield f"{reset} AS reset{bit}"
                yield f"({verdict} AND coalesce({last_true} < {reset}, TRUE)) AS holds{bit}"
            if rule.on_missing is OnMissing.ESCALATE:
                yield f"({verdict} IS NULL AND (restart OR lag({verdict}) OVER life IS NOT NULL)) AS loses{bit}"

    def _times(self) -> Iterator[str]:
        for bit, rule in enumerate(self.rules):
            if rule.for_s:
                yield f"max(CASE WHEN holds{bit} THEN t END) OVER life AS since{bit}"
            if rule.on_missing is OnMissing.ESCALATE:
                yield f"max(CASE WHEN loses{bit} THEN t END) OVER life AS missing{bit}"

    def _outcomes(self) -> Iterator[str]:
        for bit, rule in enumerate(self.rules):
            here = "key = ''" if rule.scope is Scope.PORTFOLIO else "key <> ''"
            fires = f"coalesce(verdict{bit}, FALSE)"
            if rule.for_s:
                fires += f" AND t - since{bit} >= {_micro(rule.for_s)}"
            if rule.on_missing is OnMissing.ESCALATE and rule.missing_for_s is not None:
                fires += f" OR (verdict{bit} IS NULL AND t - missing{bit} >= {_micro(rule.missing_for_s)})"
            yield f"({here} AND ({fires})) AS {'base' if rule.keep_s else 'fired'}{bit}"
            yield f"({here} AND verdict{bit} IS NULL) AS unknown{bit}"
            if rule.for_s:
                running = f"coalesce(since{bit} >= reset{bit}, FALSE) AND verdict{bit} IS DISTINCT FROM FALSE"
                yield f"({here} AND {running} AND NOT ({fires})) AS runs{bit}"

    def _kept(self) -> Iterator[str]:
        for bit, rule in enumerate(self.rules):
            if rule.keep_s:
                last = f"max(CASE WHEN base{bit} THEN t END) OVER life"
                yield f"(base{bit} OR coalesce(t - {last} < {_micro(rule.keep_s)}, FALSE)) AS fired{bit}"

    def _ends(self) -> Iterator[str]:
        """Mark the rows that end an episode: known not to hold, and not firing on."""
        for bit, rule in enumerate(self.rules):
            if rule.stands_aside or rule.alert is not None:
                yield f"(coalesce(NOT verdict{bit}, FALSE) AND NOT fired{bit}) AS ends{bit}"
            if rule.for_s:
                yield f"(runs{bit} AND NOT fired{bit}) AS pends{bit}"

    def _once(self, name: str, bit: int, rule: Rule, due: str, pause_s: int, *, latch: bool) -> None:
        """Add a column of the rows on which the rule acts: of those where it is due, the first of each episode."""
        due_name = f"due_{name}"
        self._stage(f"{name}_due", [f"({due}) AS {due_name}"])
        if not pause_s:
            last = f"max(CASE WHEN {due_name} THEN t END) OVER earlier"
            ended = f"max(CASE WHEN ends{bit} THEN t END) OVER earlier"
            fresh = f"({last} IS NULL OR coalesce({last} < {ended}, FALSE))"
            self._stage(f"{name}_once", [f"({due_name} AND {fresh}) AS {name}"])
            return
        self._paced(name, due_name, bit, pause_s, latch=latch)

    def _paced(self, name: str, due: str, bit: int, pause_s: int, *, latch: bool) -> None:
        """Add a column of the rows on which the rule acts with a pause after each: from one to the next, by recursion.

        The next one is the first due row that is late enough and, with a latch, after the end of the episode; both
        hold on from some row, so it is the later of the two firsts.
        """
        before = self.stages[-1][0]
        at = f"CASE WHEN {due} THEN t END"
        rested = f"min({at}) OVER ({_ROWS} RANGE BETWEEN {_micro(pause_s)} FOLLOWING AND UNBOUNDED FOLLOWING)"
        reopened = f"first_value(CASE WHEN ends THEN later END IGNORE NULLS) OVER {_LATER}"
        following = f"CASE WHEN {reopened} IS NOT NULL AND rested IS NOT NULL THEN greatest(rested, {reopened}) END"
        self.stages += [
            (
                f"{name}_from",
                f"SELECT key, t, {due} AS due, ends{bit} AS ends, {rested} AS rested, "
                f"min({at}) OVER {_LATER} AS later FROM {before}",
            ),
            (f"{name}_next", f"SELECT key, t, due, {following if latch else 'rested'} AS following FROM {name}_from"),
            (
                f"{name}_taken",
                f"SELECT key, min(t) AS t FROM {name}_from WHERE due GROUP BY key UNION ALL "
                f"SELECT n.key, n.following FROM {name}_taken k JOIN {name}_next n ON k.key = n.key AND k.t = n.t "
                f"WHERE n.following IS NOT NULL",
            ),
            (
                f"{name}_paced",
                f"SELECT d.*, k.t IS NOT NULL AS {name} FROM {before} d LEFT JOIN {name}_taken k USING (key, t)",
            ),
        ]

    # -- the decision ----------------------------------------------------------------------------------------------

    def _may(self, bit: int) -> str:
        """Return where the rule has fired and no protective rule above keeps its action from running."""
        rule = self.rules[bit]
        test = f"fired{bit}"
        if not rule.then.kind.reduces_risk:
            above = [i for i in range(bit) if self.rules[i].protective]
            test += "".join(f" AND NOT (unknown{i} AND NOT fired{i})" for i in above)
        return test

    def _decides(self, bit: int) -> str:
        return f"acts{bit}" if self.rules[bit].stands_aside else self._may(bit)

    def _free(self, bit: int) -> str:
        """Return where the rule may act and none above it does."""
        same = [i for i in range(bit) if self.rules[i].decides and self.rules[i].scope is self.rules[bit].scope]
        return self._may(bit) + "".join(f" AND NOT ({self._decides(i)})" for i in same)

    def _first(self) -> str:
        arms = [f"WHEN {self._decides(bit)} THEN '{rule.id}'" for bit, rule in enumerate(self.rules) if rule.decides]
        return f"CASE {' '.join(arms)} END" if arms else "CAST(NULL AS VARCHAR)"


def _fold(track: Track) -> str:
    inner = lower(track.expr, {})
    match track.fold:
        case Fold.MAX | Fold.MIN:
            return f"{track.fold}({inner}) OVER life"
        case Fold.FIRST:
            return f"first_value({inner} IGNORE NULLS) OVER life"
        case Fold.LAST_BEFORE:
            return _last_before(track)
        case Fold.CHANGE:
            return finite(f"{inner} - {_last_before(track)}")
        case Fold.MEAN:
            frame = f"({_ROWS} RANGE BETWEEN {_window(track) - 1} PRECEDING AND CURRENT ROW)"
            known = f"list_filter(list({inner}) OVER {frame}, lambda x: x IS NOT NULL)"
            # Added in the order of the rows: a sum of one's own choosing may differ in the last bit.
            total = "CASE WHEN len(xs) > 0 THEN list_reduce(xs, lambda a, b: a + b) / len(xs) END"
            return finite(f"list_transform([{known}], lambda xs: {total})[1]")
        case _:
            assert_never(track.fold)


def _last_before(track: Track) -> str:
    frame = f"({_ROWS} RANGE BETWEEN UNBOUNDED PRECEDING AND {_window(track)} PRECEDING)"
    return f"last_value({lower(track.expr, {})} IGNORE NULLS) OVER {frame}"


def _window(track: Track) -> int:
    assert track.window_s is not None
    return _micro(track.window_s)


def _mask(name: str, bits: Iterable[int]) -> str:
    terms = (f"CASE WHEN {name}{bit} THEN {1 << bit} ELSE 0 END" for bit in bits)
    return f"CAST({' + '.join(terms) or '0'} AS BIGINT)"


def _micro(seconds: int) -> int:
    return seconds * 1_000_000
