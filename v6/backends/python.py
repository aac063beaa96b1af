"""Rules as one generated Python function per scope, quick while inputs are there and exact while not.

`step(values, slots, now, restart)` takes a row's values, the state of the row's key (in the order of `Program.slots`),
the time in microseconds, and whether timers restart. It returns the bit of the rule that decides or -1, the fired and
the unknown mask, the mask of the alerts that are due, and the new state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from v6.backends.folds import WINDOWED, History
from v6.backends.lowering import EXACT, all_present, exact, must_be_there, trying
from v6.lang.ast import Expr, Fold, Name, Track, fields_of, walk
from v6.lang.canonical import track_meaning
from v6.lang.desk import OnMissing, Rule
from v6.lang.ranges import can_be_missing
from v6.model.catalogue import INDEX, Field, Scope, Value
from v6.model.decision import ActionKind

Memory: TypeAlias = float | int | History | None
"""What one slot holds: a folded value, a time in microseconds, or the values of a window."""

Slots: TypeAlias = tuple[Memory, ...]
Outcome: TypeAlias = tuple[int, int, int, int, Slots]
Step: TypeAlias = Callable[[tuple[Value, ...], Slots, int, bool], Outcome]

_BUILTINS: Final = {"abs": abs, "min": min, "max": max, "TypeError": TypeError}


WAITING: Final = "/waiting"
"""Slot that is set while an unknown run of any rule is timed, so that a whole row need not look at each."""


def track_slot(rule: Rule, track: Track) -> str:
    """Return the name of a fold's state: it starts afresh when its meaning changes, not when a threshold does."""
    return f"{rule.id}/track/{track_meaning(track)}"


@dataclass(frozen=True, slots=True)
class Program:
    """The compiled rules of one scope; `slots` names the state in the order in which `step` takes and returns it."""

    slots: tuple[str, ...]
    step: Step
    source: str

    @property
    def empty(self) -> Slots:
        """Return the state of a key seen for the first time."""
        return (None,) * len(self.slots)


class _Generator:
    """Writes two functions: `exact`, and `step`, which tries the plain operators first."""

    def __init__(self, rules: Sequence[Rule], scope: Scope) -> None:
        self.rules = [(bit, rule) for bit, rule in enumerate(rules) if rule.scope is scope]
        self.slots: dict[str, str] = {}
        self.values: dict[str, str] = {}
        for _, rule in self.rules:
            for track in rule.live_tracks:
                slot = self._slot(track_slot(rule, track))
                # A window's memory is not its value.
                self.values[track_slot(rule, track)] = f"w{slot[1:]}" if track.fold.windowed else slot
        for _, rule in self.rules:
            for name in _timers(rule):
                self._slot(f"{rule.id}/{name}")
        if self._waiting():
            self._slot(WAITING)

    def program(self) -> Program:
        whole = ["def exact(v, s, now, restart):", *self._exact()]
        quick = ["def step(v, s, now, restart):", *self._quick(), "return exact(v, s, now, restart)"]
        text = "\n".join("\n    ".join(lines) for lines in (whole, quick)) + "\n"
        namespace: dict[str, object] = {"__builtins__": dict(_BUILTINS), **EXACT, **_windowed()}
        # The text holds only our own names, and constants and words that passed the parser's whitelist.
        exec(compile(text, "<rules>", "exec"), namespace)
        return Program(tuple(self.slots), cast(Step, namespace["step"]), text)

    def _slot(self, name: str) -> str:
        return self.slots.setdefault(name, f"s{len(self.slots)}")

    def _timer(self, rule: Rule, name: str) -> str:
        return self.slots[f"{rule.id}/{name}"]

    def _tracks(self, rule: Rule) -> dict[str, str]:
        return {track_meaning(t): self.values[track_slot(rule, t)] for t in rule.live_tracks}

    # -- the two ways ----------------------------------------------------------------------------------------------

    def _exact(self) -> list[str]:
        lines = [*self._load(rule.expressions for _, rule in self.rules), *self._unpack()]
        for _, rule in self.rules:
            for track in rule.live_tracks:
                lines += self._fold(rule, track, exact(track.expr, {}))
        lines.append("fired = unknown = 0")
        for bit, rule in self.rules:
            lines += self._rule(bit, rule)
        waiting = self._waiting()
        if waiting:
            running = " or ".join(f"{slot} is not None" for slot in waiting)
            lines.append(f"{self.slots[WAITING]} = now if {running} else None")
        return [*lines, *self._decide(quick=False), self._tail()]

    def _quick(self) -> list[str]:
        """Return the way of a row on which nothing that matters is missing: every verdict is known.

        No rule waits for inputs then. A state in which nothing changes is given back as it came.
        """
        wanted = [(*(t.expr for t in rule.live_tracks), rule.when) for _, rule in self.rules]
        parts = (part for group in wanted for expr in group for part in walk(expr))
        # Each part by itself, as what `has` asks about is missing without making the whole so.
        if not self.rules or any(can_be_missing(part, all_present) for part in parts):
            return []
        lines, there = ["changed = False"], dict[str, None]()
        for _, rule in self.rules:
            for track in rule.live_tracks:
                there |= must_be_there(track.expr, {})
                lines += self._quick_fold(rule, track)
        for _, rule in self.rules:
            there |= must_be_there(rule.when, self._tracks(rule))
        early = [name for name in there if name.startswith("f")]
        late = [name for name in there if not name.startswith("f")]
        if late:
            lines.append(f"if {' or '.join(f'{name} is None' for name in late)}: raise TypeError")
        lines.append("fired = 0")
        for bit, rule in self.rules:
            lines += self._quick_rule(bit, rule)
        lines += [self._idle(), *self._decide(quick=True), *self._quick_tail()]
        # Raising costs as much as a whole row does, so what several rules read is looked at beforehand.
        text = "\n".join(lines)
        shared = [f"f{INDEX[f.name]}" for f in _fields(wanted) if f.nullable]
        early += [name for name in shared if name not in early and len(_uses(name, text)) > 1]
        guard = " and ".join(["not restart", *(f"{name} is not None" for name in early)])
        inner = ["try:", *(f"    {line}" for line in lines), "except TypeError: pass"]
        slots = [f"{slot} = s[{place}]" for place, slot in enumerate(self.slots.values())]
        return _read([f"if {guard}:", *(f"    {line}" for line in inner)], [*self._load(wanted), *slots])

    @staticmethod
    def _load(groups: Iterable[Iterable[Expr]]) -> list[str]:
        return [f"f{INDEX[field.name]} = v[{INDEX[field.name]}]" for field in _fields(groups)]

    def _unpack(self) -> list[str]:
        return [f"{', '.join(self.slots.values())}, = s"] if self.slots else []

    def _waiting(self) -> list[str]:
        return [self._timer(rule, "missing") for _, rule in self.rules if rule.on_missing is OnMissing.ESCALATE]

    def _tail(self, cleared: Collection[str] = (), unknown: str = "unknown") -> str:
        slots = ("None" if slot in cleared else slot for slot in self.slots.values())
        return f"return first, fired, {unknown}, {self._alerts()}, ({''.join(f'{slot}, ' for slot in slots)})"

    def _quick_tail(self) -> list[str]:
        waiting = self._waiting()
        cleared = [*waiting, self.slots[WAITING]] if waiting else []
        changed = f"changed or {self.slots[WAITING]}" if waiting else "changed"
        same = f"if not ({changed}): return first, fired, 0, {self._alerts()}, s"
        return [same, self._tail(cleared, "0")]

    def _idle(self) -> str:
        """Return the way out of a row on which nothing fires and nothing changes, as nearly all do."""
        waiting = f" or {self.slots[WAITING]}" if self._waiting() else ""
        return f"if not (fired or changed{waiting}): return -1, 0, 0, 0, s"

    def _alerts(self) -> str:
        return "alerts" if any(rule.alert is not None for _, rule in self.rules) else "0"

    # -- folds and verdicts ----------------------------------------------------------------------------------------

    def _fold(self, rule: Rule, track: Track, text: str) -> list[str]:
        """Rules share no state: two rules with the same fold keep one each, as each is forgotten with its rule."""
        slot = self.slots[track_slot(rule, track)]
        if track.window_s is not None:
            return [self._look(rule, track, text)]
        return [f"x = {text}", f"if x is not None and ({_better(track, slot, 'x')}): {slot} = x"]

    def _quick_fold(self, rule: Rule, track: Track) -> list[str]:
        slot, text = self.slots[track_slot(rule, track)], trying(track.expr, {})
        if track.window_s is not None:
            return [self._look(rule, track, text), "changed = True"]
        # The first value of a maximum is left to the exact way, as comparing with None raises.
        plain = isinstance(track.expr, Name)
        better = _better(track, slot, text if plain else "x").removeprefix(f"{slot} is None or ")
        taken = f"if {better}: {slot} = {text if plain else 'x'}; changed = True"
        return [taken] if plain else [f"x = {text}", taken]

    def _look(self, rule: Rule, track: Track, text: str) -> str:
        slot, value = self.slots[track_slot(rule, track)], self.values[track_slot(rule, track)]
        assert track.window_s is not None
        return f"{slot}, {value} = {track.fold}_({slot}, now, {text}, {track.window_s * 1_000_000})"

    def _quick_rule(self, bit: int, rule: Rule) -> list[str]:
        fires, condition, lines = f"fired |= {1 << bit}", trying(rule.when, self._tracks(rule)), []
        if rule.keep_s or _latched(rule):
            lines.append(f"c = {condition}")
            condition = "c"
        if rule.for_s:
            since = self._timer(rule, "since")
            lines += [
                f"if {condition}:",
                f"    if {since} is None: {since} = now; changed = True",
                f"    if now - {since} >= {rule.for_s * 1_000_000}: {fires}",
                f"elif {since} is not None: {since} = None; changed = True",
            ]
        else:
            lines.append(f"if {condition}: {fires}")
        return [*lines, *self._after(1 << bit, rule)]

    def _rule(self, bit: int, rule: Rule) -> list[str]:
        tracks, mask = self._tracks(rule), 1 << bit
        lines = [f"c = {exact(rule.when, tracks)}"]
        if rule.fallback is not None:
            lines.append(f"if c is None: c = {exact(rule.fallback, tracks)}")
        since = self._timer(rule, "since") if rule.for_s else None
        missing = self._timer(rule, "missing") if rule.on_missing is OnMissing.ESCALATE else None
        lines += [f"if restart: {slot} = None" for slot in (since, missing) if slot is not None]
        lines.append("if c:")
        if since is None:
            lines.append(f"    fired |= {mask}")
        else:
            lines.append(f"    if {since} is None: {since} = now")
            lines.append(f"    if now - {since} >= {rule.for_s * 1_000_000}: fired |= {mask}")
        lines += ["elif c is None:", f"    unknown |= {mask}"]
        if missing is not None and rule.missing_for_s is not None:
            lines.append(f"    if {missing} is None: {missing} = now")
            lines.append(f"    if now - {missing} >= {rule.missing_for_s * 1_000_000}: fired |= {mask}")
        if since is not None:
            lines.append(f"else: {since} = None")
        if missing is not None:
            lines.append(f"if c is not None: {missing} = None")
        return [*lines, *self._after(mask, rule)]

    def _after(self, mask: int, rule: Rule) -> list[str]:
        """Return what follows the verdict `c`: firing on for a while, and the end of an episode."""
        lines = []
        if rule.keep_s:
            kept = self._timer(rule, "kept")
            lines.append(f"if fired & {mask}: {kept} = now; changed = True")
            lines.append(f"elif {kept} is not None and now - {kept} < {rule.keep_s * 1_000_000}: fired |= {mask}")
        latches = [self._timer(rule, name) for name in _latched(rule)]
        if latches:
            held = " or ".join(f"{latch} is not None" for latch in latches)
            lines.append(f"if c is False and not fired & {mask} and ({held}):")
            lines.append(f"    {' = '.join(latches)} = None; changed = True")
        return lines

    # -- the decision ----------------------------------------------------------------------------------------------

    def _decide(self, *, quick: bool) -> list[str]:
        deciding = sum(1 << bit for bit, rule in self.rules if rule.decides)
        alone = sum(1 << bit for bit, rule in self.rules if not rule.decides)
        lines = [f"a = fired & {deciding}" if alone else "a = fired"]
        if not quick:
            lines += self._barrier()
        aside = [(bit, rule) for bit, rule in self.rules if rule.stands_aside]
        for bit, rule in aside:
            lines.append(f"if a & {1 << bit} and ({self._resting(rule, 'latched')}): a &= {~(1 << bit)}")
        lines.append("first = (a & -a).bit_length() - 1 if a else -1")
        for bit, rule in aside:
            lines += [f"if first == {bit}: {' = '.join(self._acting(rule, 'latched'))}; changed = True"]
        told = [(bit, rule) for bit, rule in self.rules if rule.alert is not None]
        if told:
            lines.append("alerts = 0")
        for bit, rule in told:
            due = f"fired & {1 << bit} and not ({self._resting(rule, 'told')})"
            lines += [
                f"if {due}:",
                f"    alerts |= {1 << bit}",
                f"    {' = '.join(self._acting(rule, 'told'))}; changed = True",
            ]
        return lines

    def _barrier(self) -> list[str]:
        protective = sum(1 << bit for bit, rule in self.rules if rule.protective)
        adding = [rule for _, rule in self.rules if not rule.then.kind.reduces_risk]
        if not protective or not adding:
            return []
        reducing = sum(1 << bit for bit, rule in self.rules if rule.then.kind.reduces_risk)
        return [f"w = unknown & ~fired & {protective}", f"if w: a &= (w & -w) - 1 | {reducing}"]

    def _resting(self, rule: Rule, latch: str) -> str:
        tests = []
        if latch in _latched(rule):
            tests.append(f"{self._timer(rule, latch)} is not None")
        if _paced(rule, latch):
            acted = self._timer(rule, "acted")
            tests.append(f"({acted} is not None and now - {acted} < {rule.cooldown_s * 1_000_000})")
        return " or ".join(tests)

    def _acting(self, rule: Rule, latch: str) -> list[str]:
        """Return the slots that take the time at which the rule acted, and that time."""
        slots = [self._timer(rule, latch)] if latch in _latched(rule) else []
        return [*slots, *([self._timer(rule, "acted")] if _paced(rule, latch) else []), "now"]


def _fields(groups: Iterable[Iterable[Expr]]) -> list[Field]:
    return list({field.name: field for group in groups for expr in group for field in fields_of(expr)}.values())


def _uses(name: str, text: str) -> list[str]:
    return re.findall(rf"\b{name}\b", text)


def _better(track: Track, slot: str, value: str) -> str:
    match track.fold:
        case Fold.MAX:
            return f"{slot} is None or {value} > {slot}"
        case Fold.MIN:
            return f"{slot} is None or {value} < {slot}"
        case Fold.FIRST:
            return f"{slot} is None"
        case _:
            raise AssertionError(f"{track.fold} looks back over a window")


def _read(body: list[str], loads: list[str]) -> list[str]:
    """Return the body with its inputs: read where it is used if that is one place, else once before it."""
    whole = "\n".join(body)
    kept = []
    for load in loads:
        name, source = load.split(" = ")
        uses = len(_uses(name, whole))
        if uses == 1:
            whole = re.sub(rf"\b{name}\b", source, whole)
        elif uses:
            kept.append(load)
    return [*kept, *whole.split("\n")]


def _timers(rule: Rule) -> list[str]:
    """Return the names of the rule's slots beside its folds."""
    names = ["since"] if rule.for_s else []
    if rule.on_missing is OnMissing.ESCALATE:
        names.append("missing")
    if rule.keep_s:
        names.append("kept")
    names += _latched(rule)
    if rule.cooldown_s:
        names.append("acted")
    return names


def _latched(rule: Rule) -> list[str]:
    names = ["latched"] if rule.decides and rule.latches else []
    return names if rule.alert is None else [*names, "told"]


def _paced(rule: Rule, latch: str) -> bool:
    """Tell whether the rule's cooldown is about this: an alert rule's alerts, any other rule's action."""
    return rule.cooldown_s > 0 and (latch == "told") is (rule.then.kind is ActionKind.ALERT)


def _windowed() -> dict[str, object]:
    return {f"{fold}_": call for fold, call in WINDOWED.items()}


def compile_rules(rules: Sequence[Rule], scope: Scope) -> Program:
    """Compile the rules of one scope (POSITION or PORTFOLIO); a rule's bit is its place among all `rules`."""
    return _Generator(rules, scope).program()


def compile_condition(expr: Expr) -> Callable[[tuple[Value, ...]], bool | None]:
    """Compile a condition without tracks to a function of a row's values; None is unknown."""
    reads = "; ".join(f"f{INDEX[f.name]} = v[{INDEX[f.name]}]" for f in fields_of(expr)) or "pass"
    text = f"def condition(v):\n    {reads}\n    return {exact(expr, {})}"
    namespace: dict[str, object] = {"__builtins__": dict(_BUILTINS), **EXACT}
    exec(compile(text, "<condition>", "exec"), namespace)
    return cast(Callable[[tuple[Value, ...]], bool | None], namespace["condition"])
