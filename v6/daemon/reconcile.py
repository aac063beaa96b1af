"""Hold our books against the broker's: at the start, after every gap, and on a timer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

import structlog

from v6.daemon.conflicts import PLAIN, Conflict, Resolution, Scene, classify, foreign_orders
from v6.daemon.costs import cost_conflicts
from v6.daemon.foreign import adopt, follow, from_json, to_json
from v6.errors import BrokerError
from v6.execution.books import Books
from v6.execution.ledger import Holding, Ledger, OrderRecord
from v6.model import event as e
from v6.model.position import Structure
from v6.model.statement import Execution, Statement
from v6.ports import Clock

PM_SETTLED: Final = frozenset({"SPXW"})
"""Trading classes known to settle at the S&P 500's close, which `compare` is given."""

NOTHING: Final[Mapping[int, int]] = {}

FOREIGN: Final = "foreign_positions"

QUIET: Final = timedelta(seconds=5)
"""The broker's positions lag behind fills: they are compared when the last one is so long ago."""

MOST_TOLD: Final = 50
"""So many conflicts of a kind are told in one finding; beyond that, how many more there are."""


log = structlog.get_logger("v6.daemon")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Events that book what was explained, all conflicts, and the positions that are not to be traded."""

    events: tuple[e.Event, ...]
    conflicts: tuple[Conflict, ...]
    fenced: frozenset[str] = frozenset()

    @property
    def halts(self) -> tuple[str, ...]:
        """Return the conflicts, in words, while which nothing opens."""
        return tuple(f"{c.kind}: {c.text}" for c in self.conflicts if c.halts)


def compare(
    ledger: Ledger,
    broker: Statement,
    today: date,
    closes: Mapping[date, float],
    at: datetime,
    foreign: Mapping[int, int] = NOTHING,
    executions: Iterable[Execution] = (),
) -> Comparison:
    """Return what differs; a structure past its expiry that is gone has expired.

    `foreign` are the signed contracts of another origin that are known to be held beside ours. An expiry is booked at
    the underlying's close of its last day in `closes`, and left to a person while that is not known. What an order
    that works may just have done is no conflict yet.
    """
    ours = ledger.expected_contracts()
    for con_id, quantity in foreign.items():
        ours[con_id] = ours.get(con_id, 0) + quantity
    others = [execution for execution in executions if execution.order_ref not in ledger.orders]
    scene = Scene(ours, broker.positions, ledger.contracts, others, today)
    flying = _flying(ledger, scene)
    booked = {
        holding.position.position_id: event
        for holding in list(ledger.holdings.values())
        if (event := _expired(ledger, holding, broker.positions, today, closes, at)) is not None
    }
    left = _without(ours, (ledger.holdings[key] for key in booked))
    conflicts = tuple(
        replace(c, resolution=Resolution.BOOK) if c.con_id in ours and _agrees(scene, left, c.con_id) else c
        for c in classify(scene)
        if c.con_id not in flying
    )
    orders = [order for order in broker.orders if order.order_ref not in ledger.orders]
    told = (*conflicts, *cost_conflicts(ledger, broker.positions), *foreign_orders(orders))
    less = {c.con_id for c in conflicts if c.resolution is Resolution.FENCE}
    return Comparison(tuple(booked.values()), told, frozenset(_holding_any(ledger, less, booked)))


def _without(ours: Mapping[int, int], holdings: Iterable[Holding]) -> dict[int, int]:
    left = dict(ours)
    for holding in holdings:
        for leg in holding.position.structure.legs:
            con_id = leg.contract.con_id
            left[con_id] = left.get(con_id, 0) - leg.ratio * holding.units
    return left


def _agrees(scene: Scene, left: Mapping[int, int], con_id: int | None) -> bool:
    return con_id is not None and left.get(con_id, 0) == scene.there(con_id) != scene.ours.get(con_id, 0)


def _holding_any(ledger: Ledger, con_ids: Collection[int | None], booked: Collection[str]) -> Iterator[str]:
    for key, holding in ledger.holdings.items():
        if key not in booked and any(leg.contract.con_id in con_ids for leg in holding.position.structure.legs):
            yield key


def _flying(ledger: Ledger, scene: Scene) -> set[int]:
    """Return the contracts whose differences whole units of one live order account for: its fills are on their way."""
    differ = scene.differ()
    found: set[int] = set()
    for record in ledger.live_orders():
        signed = _signed(record)
        units = {differ.get(con_id, 0) / ratio for con_id, ratio in signed.items()}
        left = record.intent.quantity - record.units_filled()
        if len(units) == 1 and 0 < (count := units.pop()) <= left and count == int(count):
            found |= signed.keys()
    return found


def _signed(record: OrderRecord) -> dict[int, int]:
    total: dict[int, int] = {}
    for leg in record.intent.structure.legs:
        con_id = leg.contract.con_id
        total[con_id] = total.get(con_id, 0) + leg.ratio * record.intent.side.sign
    return {con_id: ratio for con_id, ratio in total.items() if ratio}


def _expired(
    ledger: Ledger,
    holding: Holding,
    broker: Collection[int],
    today: date,
    closes: Mapping[date, float],
    at: datetime,
) -> e.PositionClosed | None:
    structure = holding.position.structure
    gone = not any(leg.contract.con_id in broker for leg in structure.legs)
    close = closes.get(structure.expiry)
    if structure.expiry >= today or not gone or close is None or not _settles_at_close(structure):
        return None
    value = structure.payoff(Decimal(repr(close)))
    # As for a close by order: with the commissions that came after the position was booked.
    paid = ledger.commission_of(holding.position) * holding.units / holding.position.quantity
    pnl = (value - holding.position.entry_price) * structure.multiplier * holding.units - paid
    return e.PositionClosed(at, holding.position.position_id, value, pnl, paid, "expired")


def _settles_at_close(structure: Structure) -> bool:
    """Tell whether the legs settle together, at the close of their expiry; class SPX settles at the next opening."""
    legs = [leg.contract for leg in structure.legs]
    return all(c.trading_class in PM_SETTLED and c.expiry == structure.expiry for c in legs)


class Account(Protocol):
    """What reconciliation asks of the broker; both raise BrokerError."""

    async def statement(self) -> Statement: ...

    async def executions(self) -> list[Execution]: ...


class Reconciler:
    """Keeps the last comparison; each conflict is told once, and again when its figures change."""

    def __init__(
        self,
        books: Books,
        state: Mapping[str, str | None],
        account: Account,
        clock: Clock,
        every_s: float,
        adopt: bool,
    ) -> None:
        """Start before the first comparison; `state` is the journal's, `every_s` the time between two comparisons."""
        saved = state.get(FOREIGN)
        self._books = books
        self._account = account
        self._clock = clock
        self._every = timedelta(seconds=every_s)
        self._foreign: dict[int, int] = {} if saved is None else from_json(saved)
        self._adopt = adopt
        self._last: Comparison | None = None
        self._done_at: datetime | None = None
        self._filled_at: datetime | None = None
        self._distrusted = True
        self._told: set[Conflict] = set()
        books.listen(self._on_event)

    @property
    def halts(self) -> tuple[str, ...]:
        """Return why nothing may open, in words."""
        return ("not reconciled yet",) if self._last is None else self._last.halts

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Return what the last comparison found, told or not."""
        return () if self._last is None else self._last.conflicts

    def fenced(self) -> frozenset[str]:
        """Return the positions that the broker does not wholly hold: to close one of them would open something."""
        return frozenset() if self._last is None else self._last.fenced

    def distrust(self) -> None:
        """Compare in the next cycle: after a gap nothing that was known of the account is taken for granted."""
        self._distrusted = True

    def due(self, at: datetime) -> bool:
        """Tell whether it is time: after a gap, while something differs, and at intervals."""
        return self._distrusted or self._done_at is None or not timedelta(0) <= at - self._done_at < self._every

    async def run(self, today: date, closes: Mapping[date, float]) -> None:
        """Ask the broker and compare, unless fills are arriving; raises BrokerError."""
        if self._filling():
            return
        broker = await self._account.statement()
        foreign = self._follow_foreign({con_id: held.quantity for con_id, held in broker.positions.items()})
        result = compare(self._books.ledger, broker, today, closes, self._clock.now(), foreign)
        if any(c.con_id is not None and c.resolution is not Resolution.TELL for c in result.conflicts):
            others = await self._executions()
            result = compare(self._books.ledger, broker, today, closes, self._clock.now(), foreign, others)
            result = replace(result, conflicts=tuple(map(self._remembered, result.conflicts)))
        if self._filling():
            return  # a fill came in between: what was asked for before it tells nothing
        self._books.post(*result.events, *self._findings(result.conflicts))
        self._last, self._done_at = result, self._clock.now()
        self._distrusted = bool(result.halts)

    async def _executions(self) -> list[Execution]:
        try:
            return await self._account.executions()
        except BrokerError as error:
            # They only tell causes apart; a cycle that failed for them would send no exits.
            log.warning("executions-not-told", error=str(error))
            return []

    def _remembered(self, conflict: Conflict) -> Conflict:
        """Return what an unchanged difference was first put down to: executions are told for their own day only."""
        if conflict.kind not in PLAIN:
            return conflict
        figures = (conflict.con_id, conflict.ours, conflict.theirs)
        return next((c for c in self.conflicts if (c.con_id, c.ours, c.theirs) == figures), conflict)

    def _filling(self) -> bool:
        if any(record.fills for record in self._books.ledger.live_orders()):
            return True
        return self._filled_at is not None and self._clock.now() - self._filled_at < QUIET

    def _on_event(self, event: e.Event) -> None:
        if isinstance(event, e.OrderFilled):
            self._filled_at = self._clock.now()

    def _findings(self, conflicts: Collection[Conflict]) -> Iterator[e.FindingRaised]:
        new: dict[str, list[str]] = {}
        for conflict in conflicts:
            if conflict not in self._told:
                new.setdefault(conflict.kind.value, []).append(conflict.text)
        self._told = set(conflicts)
        for code, texts in new.items():
            more = f"; and {len(texts) - MOST_TOLD} more" if len(texts) > MOST_TOLD else ""
            yield e.FindingRaised(self._clock.now(), code, "; ".join(texts[:MOST_TOLD]) + more)

    def _follow_foreign(self, broker: dict[int, int]) -> dict[int, int]:
        """Return the positions of another origin by con_id, and put on record when they are not what they were."""
        before = self._foreign
        ours = self._books.ledger.contracts.keys()
        now = adopt(ours, broker) if self._adopt else follow(before, ours, broker)
        self._adopt = False
        if now != before:
            changed = sum(now.get(c, 0) != before.get(c, 0) for c in now.keys() | before.keys())
            text = f"{len(now)} contracts of another origin are held, {changed} of them new or changed"
            found = e.FindingRaised(self._clock.now(), "foreign-positions", text)
            self._books.post(found, state={FOREIGN: to_json(now)})
            self._foreign = now
        return now
