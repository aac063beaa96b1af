"""Positions in the account that this desk did not open: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from v6.errors import StoreError


def adopt(ours: Collection[int], broker: Mapping[int, int]) -> dict[int, int]:
    """Return the broker's signed contracts by con_id in which no order of ours ever had a leg."""
    return {con_id: quantity for con_id, quantity in broker.items() if con_id not in ours}


def follow(foreign: Mapping[int, int], ours: Collection[int], broker: Mapping[int, int]) -> dict[int, int]:
    """Return the foreign positions after their owner traded in them.

    Only contracts that were foreign before and that no order of ours touched are followed: any other difference is
    one that the desk must not trade on.
    """
    return {
        con_id: now
        for con_id, quantity in foreign.items()
        if (now := quantity if con_id in ours else broker.get(con_id, 0))
    }


def to_json(foreign: Mapping[int, int]) -> str:
    return msgspec.json.encode(dict(foreign)).decode()


def from_json(text: str) -> dict[int, int]:
    """Read what `to_json` wrote; raises StoreError."""
    try:
        return msgspec.json.decode(text, type=dict[int, int], strict=False)
    except msgspec.MsgspecError as error:
        raise StoreError(f"the saved foreign positions cannot be read: {error}") from error
