"""Rules as one DuckDB query over stored snapshots: the same decisions and masks as the live evaluator.

What makes it quick: verdicts are packed into words (v6/backends/words.py) before any window sees the rows, so that a
window carries little; the first value of a fold comes from a grouping; and what the timers and episodes remember is
worked out on the few rows where it can matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from v6.backends.first import first_case
from v6.backends.sql import Columns, lower
from v6.backends.windows import ROWS, fold_sql, micro
from v6.backends.words import Words, any_of
from v6.lang.ast import Fold, Track, fields_of, tracks_of
from v6.lang.canonical import track_meaning
from v6.lang.desk import GAP_S, OnMissing, Rule
from v6.model.catalogue import Kind
from v6.model.decision import ActionKind

_TYPES: Final = {Kind.NUMBER: "DOUBLE", Kind.BOOL: "BOOLEAN", Kind.ENUM: "VARCHAR"}

_WINDOWS: Final = (
    f"WINDOW life AS ({ROWS} ROWS UNBOUNDED PRECEDING), "
    f"earlier AS ({ROWS} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)
_LATER: Final = f"({ROWS} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"
_STAMP: Final = ("snapshot_id", "key", "ts", "t")


def replay_sql(
    rules: Sequence[Rule], relation: str = "snapshots", *, first_only: bool = False, whole: bool = False
) -> str:
    """Return the query that decides every stored row.

    `relation` has snapshot_id, key ('' for the portfolio), ts and a column for each field the rules read; (key, ts) is
    unique; it is read twice where a rule folds a first value. The answer has snapshot_id, key, ts, rule_id, fired,
    unknown, alerts, pending: one row for each of the input, in no order; what is not selected from it costs nothing.
    `pending` has the rules whose `for` is running. With `first_only` it ends with rule_id, which is quicker where no
    rule needs more than the row it judges. With `whole` the last stage keeps all columns of the state for all rows,
    which tests read.
    """
    replay = _Replay(rules, relation, whole)
    if not first_only:
        return replay.text()
    if replay.late or replay.stateful or replay.tracks:
        return f"SELECT snapshot_id, key, ts, rule_id FROM ({replay.text()})"
    rows = f"SELECT {', '.join(replay.inputs())} FROM {relation}"
    return f"SELECT snapshot_id, key, ts, {first_case(rules)} AS rule_id FROM ({rows})"


class _Replay:
    """Stages of the query; each adds columns to the one before."""

    def __init__(self, rules: Sequence[Rule], relation: str, whole: bool) -> None:
        self.rules = rules
        self.relation = relation
        self.whole = whole
        self.words = Words(rules)
        self.stages: list[tuple[str, str]] = []
        self.tracks: dict[str, Track] = {}
        for rule in rules:
            for track in rule.live_tracks if whole else _tracks(rule):
                self.tracks.setdefault(track_meaning(track), track)
        self.folds: Columns = {meaning: f"fold{place}" for place, meaning in enumerate(self.tracks)}
        self.late = [bit for bit, rule in enumerate(rules) if any(t.fold is not Fold.FIRST for t in _tracks(rule))]
        self.stateful = [bit for bit, rule in enumerate(rules) if whole or _remembers(rule)]
        # A rule that fires on, or rests for a time, is remembered on rows on which its condition is false.
        self.thin = not whole and not any(rules[bit].keep_s or _paced(rules[bit]) for bit in self.stateful)

    def text(self) -> str:
        self.stages.append(("input", f"SELECT {', '.join(self.inputs())} FROM {self.relation}"))
        self._firsts()
        self._judge("early", [bit for bit in range(len(self.rules)) if bit not in self.late], self._carried())
        if self.late or self.stateful:
            gap = f"coalesce(t - lag(t) OVER life > {micro(GAP_S)}, TRUE) AS restart"
            self._stage("folded", [gap, "row_number() OVER life AS place", *self._folds()])
        if self.late:
            kept = [*_STAMP, "restart", "place", *(self.folds.values() if self.whole else ())]
            self._judge("late", self.late, kept)
        if not self.stateful:
            return self._answer([self._dull(self.stages[-1][0])])
        self._remember()
        if not self.thin:
            return self._answer([self._told(self.stages[-1][0])])
        before = "late_coded" if self.late else "folded"
        rest = f"{self._dull(before)} WHERE NOT ({self._matters()})"
        return self._answer([rest, self._told(self.stages[-1][0])])

    def _answer(self, parts: Iterable[str]) -> str:
        chain = ",\n".join(f"{name} AS {body}" for name, body in self._bodies())
        return f"WITH RECURSIVE {chain}\n" + "\nUNION ALL ".join(parts)

    def _remember(self) -> None:
        """Add the stages of what is remembered, on the rows where that can matter."""
        if self.thin:
            before = self.stages[-1][0]
            self.stages.append(("matters", f"SELECT * FROM {before} WHERE {self._matters()}"))
            # A row left out between two that are kept is one on which no condition held or was unknown.
            skipped = "place - coalesce(lag(place) OVER life, 0) > 1 AS skipped"
        else:
            skipped = "FALSE AS skipped"
        # Windows first, while there is little to carry through them.
        source = self.stages[-1][0]
        timed = [bit for bit in self.stateful if self.rules[bit].for_s]
        self._stage("judged", [skipped, *self._verdicts(timed)])
        self._stage("marked", self._starts())
        self._stage("timed", self._times())
        self._wait(source)
        self._stage("known", self._verdicts(bit for bit in self.stateful if bit not in timed))
        self._stage("based", self._outcomes())
        self._stage("kept", self._kept())
        self._stage("ended", self._ends())
        for bit in self.stateful:
            rule = self.rules[bit]
            if rule.stands_aside:
                self._once(f"acts{bit}", bit, rule, self._free(bit), rule.cooldown_s, latch=rule.latches)
        for bit in self.stateful:
            rule = self.rules[bit]
            if rule.alert is not None:
                pause = rule.cooldown_s if rule.then.kind is ActionKind.ALERT else 0
                self._once(f"tells{bit}", bit, rule, f"fired{bit}", pause, latch=True)

    def _matters(self) -> str:
        """Return where a rule that remembers holds or is unknown; of one that only waits, where it is unknown."""
        holds = [bit for bit in self.stateful if _held(self.rules[bit])]
        return any_of([*self.words.known(holds), *self.words.unknown(self.stateful)])

    def _dull(self, stage: str) -> str:
        """Return the answer on rows where the verdicts say it all."""
        none = "0::BIGINT AS alerts, 0::BIGINT AS pending"
        masks = f"{self.words.fired()} AS fired, {self.words.missing()} AS unknown, {none}"
        return f"SELECT snapshot_id, key, ts, {self._first(())} AS rule_id, {masks} FROM {stage}"

    def _told(self, stage: str) -> str:
        told = [bit for bit, rule in enumerate(self.rules) if rule.alert is not None]
        timed = [bit for bit, rule in enumerate(self.rules) if rule.for_s]
        plain = self.words.fired(without=self.stateful)
        masks = (
            f"{plain} + {_mask('fired', self.stateful)} AS fired, {self.words.missing()} AS unknown, "
            f"{_mask('tells', told)} AS alerts, {_mask('pends', timed)} AS pending"
        )
        return f"SELECT snapshot_id, key, ts, {self._first(self.stateful)} AS rule_id, {masks} FROM {stage}"

    # -- stages ----------------------------------------------------------------------------------------------------

    def _stage(self, name: str, columns: Iterable[str]) -> None:
        listed = list(columns)
        if listed:
            self.stages.append((name, f"SELECT {', '.join(['*', *listed])} FROM {self.stages[-1][0]} {_WINDOWS}"))

    def _bodies(self) -> Iterator[tuple[str, str]]:
        read = [body for _, body in self.stages]
        shared = "late_coded" if self.late else "folded"
        for name, body in self.stages:
            # What several stages read is worked out once, but for the input, of which each reads its own columns.
            often = sum(f" {name} " in f" {other} " for other in read) > 1
            if name == "input":
                kind = "NOT MATERIALIZED "
            else:
                kind = "MATERIALIZED " if often or (self.thin and self.stateful and name == shared) else ""
            yield name, f"{kind}(\n  {body}\n)"

    def inputs(self) -> Iterator[str]:
        """Yield the columns that the rules read."""
        yield from ("snapshot_id", "key", "ts", "epoch_us(ts) AS t")
        read = {field.name: field for rule in self.rules for expr in rule.expressions for field in fields_of(expr)}
        for field in read.values():
            yield f'CAST("{field.name}" AS {_TYPES[field.kind]}) AS "{field.name}"'

    def _firsts(self) -> None:
        """Add the folds that are the first known value: the same on all rows of a key but those before it."""
        found = [(self.folds[m], lower(t.expr, {})) for m, t in self.tracks.items() if t.fold is Fold.FIRST]
        if not found:
            return
        begins = ", ".join(
            f"arg_min({text}, t) AS value_{name}, min(CASE WHEN {text} IS NOT NULL THEN t END) AS from_{name}"
            for name, text in found
        )
        self.stages.append(("firsts", f"SELECT key, {begins} FROM input GROUP BY key"))
        folds = ", ".join(f"CASE WHEN t >= from_{name} THEN value_{name} END AS {name}" for name, _ in found)
        self.stages.append(("begun", f"SELECT input.*, {folds} FROM input JOIN firsts USING (key)"))

    def _carried(self) -> list[str]:
        """Return the columns that stages after the first verdicts read: as few as can be, as windows sort them."""
        wanted = [c for bit in self.late for c in self.rules[bit].conditions]
        names = [f'"{f.name}"' for expr in wanted for f in fields_of(expr)]
        for meaning, track in self.tracks.items():
            if track.fold is Fold.FIRST:
                late = any(track_meaning(t) == meaning for expr in wanted for t in tracks_of(expr))
                names += [self.folds[meaning]] if self.whole or late else []
            else:
                names += [f'"{f.name}"' for f in fields_of(track.expr)]
        return list(dict.fromkeys([*_STAMP, *names]))

    def _judge(self, name: str, bits: Sequence[int], kept: Sequence[str]) -> None:
        """Add the verdicts of some rules as words, to those that are there."""
        texts = (f"coalesce({', '.join(lower(c, self.folds) for c in self.rules[bit].conditions)})" for bit in bits)
        verdicts = [f"{text} AS verdict{bit}" for bit, text in zip(bits, texts, strict=True)]
        words = self.words.names if name == "late" else []
        chosen = ", ".join([*kept, *words, *verdicts])
        self.stages.append((f"{name}_verdicts", f"SELECT {chosen} FROM {self.stages[-1][0]}"))
        coded = ", ".join([*kept, *self.words.coded(bits, add=name == "late")])
        self.stages.append((f"{name}_coded", f"SELECT {coded} FROM {self.stages[-1][0]}"))

    def _folds(self) -> Iterator[str]:
        for meaning, track in self.tracks.items():
            if track.fold is not Fold.FIRST:
                yield f"{fold_sql(track)} AS {self.folds[meaning]}"

    def _verdicts(self, bits: Iterable[int]) -> Iterator[str]:
        for bit in bits:
            yield f"{self.words.verdict(bit)} AS verdict{bit}"

    def _wait(self, source: str) -> None:
        """Add the times since when rules lack inputs, by a window over no rows but those on which one does."""
        waits = [bit for bit in self.stateful if self.rules[bit].on_missing is OnMissing.ESCALATE]
        if not waits:
            return
        before = self.stages[-1][0]
        # A rule had lacked them before if it did on the row before this one, and no gap lies between the two.
        words = [f"lag({name}) OVER life AS last_{name}" for name in self.words.names]
        gone_on = "NOT restart AND coalesce(place - lag(place) OVER life = 1, FALSE) AS adjoins"
        listed = ", ".join(["key", "t", *self.words.names, *words, gone_on])
        self.stages.append(
            ("waits", f"SELECT {listed} FROM {source} WHERE {any_of(self.words.unknown(waits))} {_WINDOWS}")
        )
        now, then = ([self.words.lacks(bit, prefix) for bit in waits] for prefix in ("", "last_"))
        begins = (
            f"max(CASE WHEN {lacks} AND NOT (adjoins AND {lacked}) THEN t END) OVER life AS missing{bit}"
            for bit, lacks, lacked in zip(waits, now, then, strict=True)
        )
        self.stages.append(("waited", f"SELECT key, t, {', '.join(begins)} FROM waits {_WINDOWS}"))
        found = ", ".join(f"waited.missing{bit}" for bit in waits)
        joined = f"SELECT {before}.*, {found} FROM {before} LEFT JOIN waited USING (key, t)"
        self.stages.append(("missed", joined))

    def _starts(self) -> Iterator[str]:
        """Tell on which rows a timer was running before: the latest row that says so is odd, one that ends it even."""
        for bit, rule in self._remembered():
            if rule.for_s:
                says = (
                    f"CASE WHEN verdict{bit} THEN t * 2 + 1 WHEN restart OR skipped OR NOT verdict{bit} THEN t * 2 END"
                )
                ran = f"coalesce(max({says}) OVER earlier & 1 = 1, FALSE)"
                yield f"(NOT (restart OR skipped) AND {ran}) AS runs{bit}"

    def _times(self) -> Iterator[str]:
        for bit, rule in self._remembered():
            if rule.for_s:
                yield f"max(CASE WHEN verdict{bit} AND NOT runs{bit} THEN t END) OVER life AS since{bit}"

    def _outcomes(self) -> Iterator[str]:
        for bit, rule in self._remembered():
            fires = f"coalesce(verdict{bit}, FALSE)"
            if rule.for_s:
                fires += f" AND t - since{bit} >= {micro(rule.for_s)}"
            if rule.on_missing is OnMissing.ESCALATE and rule.missing_for_s is not None:
                fires += f" OR (verdict{bit} IS NULL AND t - missing{bit} >= {micro(rule.missing_for_s)})"
            yield f"({fires}) AS {'base' if rule.keep_s else 'fired'}{bit}"
            if rule.for_s:
                yield f"(coalesce(verdict{bit}, runs{bit}) AND NOT ({fires})) AS waits{bit}"

    def _remembered(self) -> list[tuple[int, Rule]]:
        return [(bit, self.rules[bit]) for bit in self.stateful]

    def _kept(self) -> Iterator[str]:
        for bit, rule in self._remembered():
            if rule.keep_s:
                last = f"max(CASE WHEN base{bit} THEN t END) OVER life"
                yield f"(base{bit} OR coalesce(t - {last} < {micro(rule.keep_s)}, FALSE)) AS fired{bit}"

    def _ends(self) -> Iterator[str]:
        """Mark the rows that end an episode: known not to hold, and not firing on."""
        for bit, rule in self._remembered():
            if rule.stands_aside or rule.alert is not None:
                yield f"(coalesce(NOT verdict{bit}, FALSE) AND NOT fired{bit}) AS ends{bit}"
            if rule.for_s:
                yield f"(waits{bit} AND NOT fired{bit}) AS pends{bit}"

    def _once(self, name: str, bit: int, rule: Rule, due: str, pause_s: int, *, latch: bool) -> None:
        """Add a column of the rows on which the rule acts: of those where it is due, the first of each episode."""
        due_name = f"due_{name}"
        self._stage(f"{name}_due", [f"({due}) AS {due_name}"])
        if not pause_s:
            # The latest row that says so: odd where it was due, even where that ended, be it on a row left out before.
            says = f"CASE WHEN {due_name} THEN t * 2 + 1 WHEN ends{bit} OR skipped THEN t * 2 END"
            fresh = f"(skipped OR coalesce(max({says}) OVER earlier & 1 = 0, TRUE))"
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
        rested = f"min({at}) OVER ({ROWS} RANGE BETWEEN {micro(pause_s)} FOLLOWING AND UNBOUNDED FOLLOWING)"
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

    def _fires(self, bit: int, columns: Sequence[int]) -> str:
        return f"fired{bit}" if bit in columns else self.words.holds(bit)

    def _may(self, bit: int, columns: Sequence[int]) -> str:
        """Return where the rule has fired and no protective rule above keeps its action from running."""
        rule = self.rules[bit]
        test = self._fires(bit, columns)
        if not rule.then.kind.reduces_risk:
            above = [i for i in range(bit) if self.rules[i].protective]
            # A rule without columns does not fire while it is unknown.
            blind = self.words.unknown([i for i in above if i not in columns])
            blind += [f"({self.words.lacks(i)} AND NOT fired{i})" for i in above if i in columns]
            test += f" AND NOT ({any_of(blind)})" if blind else ""
        return test

    def _decides(self, bit: int, columns: Sequence[int]) -> str:
        return f"acts{bit}" if self.rules[bit].stands_aside and columns else self._may(bit, columns)

    def _free(self, bit: int) -> str:
        """Return where the rule may act and none above it does."""
        same = [i for i in range(bit) if self.rules[i].decides and self.rules[i].scope is self.rules[bit].scope]
        return self._may(bit, self.stateful) + "".join(f" AND NOT ({self._decides(i, self.stateful)})" for i in same)

    def _first(self, columns: Sequence[int]) -> str:
        """Return the rule that decides; `columns` names the rules whose firing is told by a column."""
        deciding = [bit for bit, rule in enumerate(self.rules) if rule.decides]
        if not deciding:
            return "CAST(NULL AS VARCHAR)"
        arms = [f"WHEN {self._decides(bit, columns)} THEN '{self.rules[bit].id}'" for bit in deciding]
        fires = [*(f"fired{bit}" for bit in columns), *self.words.known([b for b in deciding if b not in columns])]
        # Most rows end here, without a look at each rule.
        return f"CASE WHEN NOT ({any_of(fires)}) THEN NULL {' '.join(arms)} END"


def _tracks(rule: Rule) -> list[Track]:
    return [track for expr in rule.conditions for track in tracks_of(expr)]


def _held(rule: Rule) -> bool:
    """Tell whether more is remembered of the rule than since when it lacks inputs."""
    return bool(rule.for_s or rule.keep_s or rule.stands_aside) or rule.alert is not None


def _remembers(rule: Rule) -> bool:
    return _held(rule) or (rule.on_missing is OnMissing.ESCALATE and rule.missing_for_s is not None)


def _paced(rule: Rule) -> bool:
    return rule.cooldown_s > 0 and (rule.stands_aside or rule.alert is not None)


def _mask(name: str, bits: Iterable[int]) -> str:
    terms = (f"CASE WHEN {name}{bit} THEN {1 << bit} ELSE 0 END" for bit in bits)
    return f"CAST({' + '.join(terms) or '0'} AS BIGINT)"
