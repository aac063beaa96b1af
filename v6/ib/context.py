"""What a single quote cannot tell: moves over time, ranks, day and peak values. Pure; its state is saved as JSON."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import msgspec

from v6.errors import StoreError

HOUR = timedelta(hours=1)
RANK_SESSIONS = 252
FEWEST_CLOSES = 60
"""A rank among fewer closes says little and is missing."""


@dataclass(frozen=True, slots=True)
class Context:
    """Carried from cycle to cycle and over restarts.

    `prices` are (time, price) of the underlying, oldest first, back to the last one that is at least an hour old.
    `session_open_net_liq` is the account value at the previous session's last cycle.
    """

    prices: tuple[tuple[datetime, float], ...] = ()
    session: date | None = None
    last_net_liq: float | None = None
    previous_net_liq: float | None = None
    peak_net_liq: float | None = None
    vix_closes: tuple[float, ...] = ()

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Context:
        """Read what `to_json` wrote; raises StoreError."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise StoreError(f"the saved context cannot be read: {error}") from error


def begin_session(context: Context, session: date, vix_closes: Sequence[float]) -> Context:
    """Return the context at the first cycle of a session: yesterday's last account value is the reference now.

    Called again in the same session it takes the closes, if there are any, and leaves the rest.
    """
    if context.session == session:
        return replace(context, vix_closes=tuple(vix_closes[-RANK_SESSIONS:])) if vix_closes else context
    closing = context.last_net_liq
    peak = context.peak_net_liq
    if closing is not None:
        peak = closing if peak is None else max(peak, closing)
    return replace(
        context,
        session=session,
        previous_net_liq=closing,
        peak_net_liq=peak,
        vix_closes=tuple(vix_closes[-RANK_SESSIONS:]),
    )


def observe(context: Context, at: datetime, price: float | None, net_liq: float | None) -> Context:
    """Return the context after one cycle's values."""
    prices = context.prices
    if price is not None:
        prices = (*prices, (at, price))
        # Keep one price that is at least an hour old, and all that are younger.
        old = sum(1 for then, _ in prices if at - then >= HOUR)
        prices = prices[max(0, old - 1) :]
    return replace(
        context,
        prices=prices,
        last_net_liq=context.last_net_liq if net_liq is None else net_liq,
        # The first value ever seen is the reference of the first day.
        previous_net_liq=net_liq if context.previous_net_liq is None else context.previous_net_liq,
        peak_net_liq=net_liq if context.peak_net_liq is None else context.peak_net_liq,
    )


def hour_change(context: Context, at: datetime, price: float | None) -> float | None:
    """Return the move against the last price that is at least one hour old, None if there is none."""
    old = [then_price for then, then_price in context.prices if at - then >= HOUR]
    return None if price is None or not old or old[-1] <= 0 else price / old[-1] - 1.0


def iv_rank(context: Context, vix: float | None) -> float | None:
    """Return where VIX lies between its lowest and highest close, clipped to 0..1."""
    closes = context.vix_closes
    if vix is None or len(closes) < FEWEST_CLOSES or min(closes) == max(closes):
        return None
    return min(max((vix - min(closes)) / (max(closes) - min(closes)), 0.0), 1.0)


def iv_percentile(context: Context, vix: float | None) -> float | None:
    """Return the share of closes below VIX."""
    closes = context.vix_closes
    if vix is None or len(closes) < FEWEST_CLOSES:
        return None
    return bisect.bisect_left(sorted(closes), vix) / len(closes)
