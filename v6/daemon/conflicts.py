"""Why our books and the broker's differ, contract by contract and order by order: pure.

IB wins on facts, ours on intent: what it does not hold is not sold, whatever it did is not undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import accumulate, combinations
from typing import Final, TypeAlias

from v6.ib.exercise import AMERICAN_INDEX_CLASSES, EUROPEAN_CLASSES
from v6.model.contract import Contract, Right, SecType
from v6.model.statement import Execution, Held, OpenOrder


class Kind(StrEnum):
    """The cause of a conflict, and the code of its finding."""

    MISSING_HERE = "missing-here"
    MISSING_THERE = "missing-there"
    QUANTITY = "quantity-differs"
    COST = "cost-differs"
    FOREIGN_ORDER = "foreign-order"
    EXPIRED = "expired"
    EXERCISED = "exercised"
    ASSIGNED = "assigned"
    MANUAL = "manual-trade"
    CORPORATE_ACTION = "corporate-action"


MEANING: Final = {
    Kind.MISSING_HERE: "the broker holds a contract of which we hold none",
    Kind.MISSING_THERE: "the broker holds nothing of a contract that we hold, for no cause that can be told",
    Kind.QUANTITY: "both hold the contract and not the same number, for no cause that can be told",
    Kind.COST: "the broker's average cost (multiplier included) is not what our fills say",
    Kind.FOREIGN_ORDER: "an order of another client or of a person works in the account",
    Kind.EXPIRED: "the contract is gone after its last day",
    Kind.EXERCISED: "a long option is gone or fewer, and what it delivers has come or gone",
    Kind.ASSIGNED: "a short option is gone or fewer, and what it delivers has come or gone",
    Kind.MANUAL: "executions that are not of our orders account for the difference",
    Kind.CORPORATE_ACTION: "the contract has other terms than we traded, or another took its place",
}


PLAIN: Final = frozenset({Kind.MISSING_HERE, Kind.MISSING_THERE, Kind.QUANTITY})
"""Kinds that name no cause."""


class Resolution(StrEnum):
    """What V6 does about a conflict."""

    BOOK = "book"
    FENCE = "fence"
    HALT = "halt"
    TELL = "tell"


DOES: Final = {
    Resolution.BOOK: "the broker's fact is booked, and trading goes on",
    Resolution.FENCE: "nothing opens, and positions with the contract are not traded: the broker holds less than them",
    Resolution.HALT: "nothing opens; what the broker holds beyond ours is left alone",
    Resolution.TELL: "it is told once and left alone",
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """One difference: of a contract (`con_id`, quantities or costs) or of an order (`perm_id`)."""

    kind: Kind
    resolution: Resolution
    ours: float
    theirs: float
    text: str
    con_id: int | None = None
    perm_id: int | None = None

    @property
    def halts(self) -> bool:
        """Tell whether nothing opens while it lasts."""
        return self.resolution in (Resolution.FENCE, Resolution.HALT)


Cause: TypeAlias = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """Both sides of a comparison; `differ` is the broker's quantity less ours where that is not zero.

    `contracts` are those that we know by con_id, `executions` those that are not of our orders.
    """

    ours: Mapping[int, int]
    theirs: Mapping[int, Held]
    contracts: Mapping[int, Contract]
    executions: Sequence[Execution]
    today: date

    def differ(self) -> dict[int, int]:
        return {
            con_id: change
            for con_id in sorted(self.ours.keys() | self.theirs.keys())
            if (change := self.there(con_id) - self.ours.get(con_id, 0))
        }

    def there(self, con_id: int) -> int:
        """Return the broker's signed quantity."""
        held = self.theirs.get(con_id)
        return 0 if held is None else held.quantity

    def contract(self, con_id: int) -> Contract | None:
        """Return the contract as we know it, else as the broker names it."""
        held = self.theirs.get(con_id)
        return self.contracts.get(con_id) or (None if held is None else held.contract)

    def gone(self, con_id: int) -> int:
        """Return how many of our contracts, of either sign, the broker does not hold any more."""
        ours, theirs = self.ours.get(con_id, 0), self.there(con_id)
        left = abs(theirs) if ours * theirs > 0 else 0
        return max(0, abs(ours) - left)


def classify(scene: Scene) -> tuple[Conflict, ...]:
    """Return exactly one conflict for each contract whose quantity differs or whose terms have changed, by con_id.

    Evidence comes before inference: executions, then changed terms, then deliveries, then the calendar.
    """
    differ = scene.differ()
    causes: dict[int, Cause] = {}
    for cause in (_manual, _changed, _delivered, _expired, _called_in_cash):
        for con_id, found in cause(scene, {c: n for c, n in differ.items() if c not in causes}):
            causes.setdefault(con_id, found)
    return tuple(
        _conflict(scene, con_id, *(causes.get(con_id) or _plain(scene, con_id)))
        for con_id in sorted(differ.keys() | causes.keys())
    )


def foreign_orders(orders: Sequence[OpenOrder]) -> tuple[Conflict, ...]:
    """Return a conflict for each order that is not ours."""
    return tuple(
        Conflict(Kind.FOREIGN_ORDER, Resolution.TELL, 0, 1, _foreign(order), perm_id=order.perm_id) for order in orders
    )


def _foreign(order: OpenOrder) -> str:
    owner = f"client {order.client_id}" if order.client_id else "a person (client 0)"
    return f"{order.text} of {owner} works{f' as {order.order_ref}' if order.order_ref else ''}"


def name_of(scene: Scene, con_id: int) -> str:
    """Return how a person names the contract, its con_id if nobody can tell more."""
    contract = scene.contract(con_id)
    return f"contract {con_id}" if contract is None else str(contract)


def _conflict(scene: Scene, con_id: int, kind: Kind, why: str) -> Conflict:
    ours, theirs = scene.ours.get(con_id, 0), scene.there(con_id)
    less = scene.gone(con_id) > 0 or (kind is Kind.CORPORATE_ACTION and ours != 0)
    text = f"{name_of(scene, con_id)}: we hold {ours}, the broker {theirs}{f' ({why})' if why else ''}"
    return Conflict(kind, Resolution.FENCE if less else Resolution.HALT, ours, theirs, text, con_id)


def _plain(scene: Scene, con_id: int) -> Cause:
    if not scene.ours.get(con_id, 0):
        return Kind.MISSING_HERE, ""
    return (Kind.QUANTITY if scene.there(con_id) else Kind.MISSING_THERE), ""


def _manual(scene: Scene, differ: Mapping[int, int]) -> Iterator[tuple[int, Cause]]:
    """Yield what the latest executions that are not ours account for; earlier ones are in our books as foreign."""
    for con_id, change in differ.items():
        known = {e.exec_id.rpartition(".")[0] or e.exec_id: e for e in scene.executions if e.con_id == con_id}
        latest = sorted(known.values(), key=lambda e: (e.at, e.exec_id), reverse=True)
        if change in accumulate(e.quantity for e in latest):
            who = sorted({e.client_id for e in latest})
            yield con_id, (Kind.MANUAL, f"traded by client {', '.join(map(str, who))}")


def _changed(scene: Scene, differ: Mapping[int, int]) -> Iterator[tuple[int, Cause]]:
    """Yield contracts with other terms than we traded, and pairs of one that went and the adjusted one that came."""
    for con_id, held in scene.theirs.items():
        ours = scene.contracts.get(con_id)
        if ours is not None and held.contract is not None and scene.ours.get(con_id) and _terms(ours, held.contract):
            yield con_id, (Kind.CORPORATE_ACTION, f"it is {held.contract} x {held.contract.multiplier} now")
    came = [c for c in differ if not scene.ours.get(c, 0)]
    for con_id in differ:
        before = scene.contracts.get(con_id)
        if before is None or not scene.gone(con_id):
            continue
        for new in came:
            after = scene.contract(new)
            if after is not None and _took_its_place(before, after, scene.ours[con_id], scene.there(new)):
                yield con_id, (Kind.CORPORATE_ACTION, f"{after} x {after.multiplier} came in its place")
                yield new, (Kind.CORPORATE_ACTION, f"in the place of {before}")


def _terms(ours: Contract, theirs: Contract) -> bool:
    return (ours.multiplier, ours.strike, ours.trading_class) != (
        theirs.multiplier,
        theirs.strike,
        theirs.trading_class or ours.trading_class,
    )


def _took_its_place(before: Contract, after: Contract, ours: int, theirs: int) -> bool:
    """Tell whether an option is another in adjusted form: a class with a digit, another multiplier, or a split."""
    if SecType.OPTION not in (before.sec_type, after.sec_type) or before.sec_type is not after.sec_type:
        return False
    if not _delivers(before) or (before.right, before.expiry) != (after.right, after.expiry) or ours * theirs <= 0:
        return False
    stems = before.trading_class.rstrip("0123456789"), after.trading_class.rstrip("0123456789")
    if stems[0] != stems[1] or before.strike is None or after.strike is None:
        return False
    adjusted = before.trading_class != after.trading_class or before.multiplier != after.multiplier
    return adjusted or (ours != theirs and before.strike * ours == after.strike * theirs)


def _delivers(contract: Contract) -> bool:
    """Tell whether the option is settled in shares; those on indices are settled in cash."""
    return contract.sec_type is SecType.OPTION and contract.trading_class not in (
        EUROPEAN_CLASSES | AMERICAN_INDEX_CLASSES
    )


_MOST_TRIED: Final = 10


def _delivered(scene: Scene, differ: Mapping[int, int]) -> Iterator[tuple[int, Cause]]:
    """Yield the options whose exercise gives just the shares that came or went, and the shares.

    Where several sets of options would, the smallest is taken; the text says that it is inferred.
    """
    named = {con_id: contract for con_id in differ if (contract := scene.contract(con_id)) is not None}
    for symbol in sorted({c.symbol for c in named.values() if c.sec_type is SecType.STOCK}):
        shares = [c for c, k in named.items() if k.symbol == symbol and k.sec_type is SecType.STOCK]
        gone = {
            con_id: _shares(contract, scene.ours.get(con_id, 0), scene.gone(con_id))
            for con_id, contract in named.items()
            if contract.symbol == symbol and _delivers(contract) and scene.gone(con_id)
        }
        chosen = _adding_up(gone, sum(differ[c] for c in shares))
        if not chosen:
            continue
        for con_id in chosen:
            short = scene.ours[con_id] < 0
            yield con_id, (Kind.ASSIGNED if short else Kind.EXERCISED, f"inferred: {gone[con_id]:+d} {symbol} shares")
        kind = Kind.ASSIGNED if any(scene.ours[c] < 0 for c in chosen) else Kind.EXERCISED
        for con_id in shares:
            yield con_id, (kind, f"inferred: delivered by {', '.join(name_of(scene, c) for c in chosen)}")


def _shares(contract: Contract, ours: int, gone: int) -> int:
    """Return the shares that come by the exercise of so many: to a long call and to a short put."""
    buys = (ours > 0) == (contract.right is Right.CALL)
    return gone * contract.multiplier * (1 if buys else -1)


def _adding_up(parts: Mapping[int, int], total: int) -> tuple[int, ...]:
    """Return the smallest set of keys whose values add up to the total, () if none does or too many would be tried."""
    if not total:
        return ()
    sizes = range(1, len(parts) + 1) if len(parts) <= _MOST_TRIED else (1, len(parts))
    sets = (keys for size in sizes for keys in combinations(sorted(parts), size))
    return next((keys for keys in sets if sum(parts[key] for key in keys) == total), ())


def _expired(scene: Scene, differ: Mapping[int, int]) -> Iterator[tuple[int, Cause]]:
    for con_id in differ:
        contract = scene.contracts.get(con_id)
        past = contract is not None and contract.expiry is not None and contract.expiry < scene.today
        if past and scene.ours.get(con_id, 0) and not scene.there(con_id):
            yield con_id, (Kind.EXPIRED, "")


def _called_in_cash(scene: Scene, differ: Mapping[int, int]) -> Iterator[tuple[int, Cause]]:
    """Yield American index options that went before their expiry without an execution: what moved is cash."""
    for con_id in differ:
        contract = scene.contracts.get(con_id)
        if contract is not None and contract.trading_class in AMERICAN_INDEX_CLASSES and scene.gone(con_id):
            kind = Kind.ASSIGNED if scene.ours[con_id] < 0 else Kind.EXERCISED
            yield con_id, (kind, "inferred: settled in cash")
