"""Orders that depend on each other: what a fill does to the rest of its OCA group, and who belongs to a bracket.

OCA types as TWS numbers them. With 1 any fill ends the others. With 2 and 3 the others shrink in the proportion of the
fill. 1 and 2 block: the others are changed before they can fill as well. 3 does not: the change takes the way of any
order to the exchange, and what fills meanwhile is filled twice. An order without a type has 3, TWS's own default; so
have the children of a bracket, which exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from v6.paper.orders import PaperOrder


class OcaType(IntEnum):
    CANCEL_WITH_BLOCK = 1
    REDUCE_WITH_BLOCK = 2
    REDUCE_NON_BLOCK = 3


DEFAULT_OCA = OcaType.REDUCE_NON_BLOCK


def group_of(order: PaperOrder, live: Iterable[PaperOrder]) -> list[PaperOrder]:
    """Return the other working orders of an order's OCA group."""
    name = order.terms.oca_group
    return [other for other in live if name and other is not order and other.terms.oca_group == name]


def left_after(kind: OcaType, before: int, size: int, remaining: int) -> int:
    """Return what remains of an order when another of its group fills `size` of the `before` that it had left.

    A share of a contract is rounded down: a group never ends up with more than was wanted.
    """
    if kind is OcaType.CANCEL_WITH_BLOCK:
        return 0
    return remaining * (before - size) // before


def children_of(order: PaperOrder, live: Iterable[PaperOrder]) -> list[PaperOrder]:
    """Return the working children of a bracket's parent."""
    return [o for o in live if o.client_id == order.client_id and o.terms.parent_id == order.order_id]


def related(order: PaperOrder, other: PaperOrder) -> bool:
    """Tell whether another order is the parent of this child, or a child of the same parent."""
    if order.client_id != other.client_id or not order.terms.parent_id:
        return False
    return order.terms.parent_id in (other.order_id, other.terms.parent_id)
