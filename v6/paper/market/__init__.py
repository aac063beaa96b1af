"""The market of the paper gateway: real daily history, made tradable by seeded paths and an arbitrage-free surface."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date, datetime

from v6.errors import V6Error
from v6.model.contract import Contract, Right
from v6.paper.market import listing
from v6.paper.market.book import FLAT_RATES, Book, Rates
from v6.paper.market.history import DailyHistory, Session, load_csv_history, load_package_history
from v6.paper.market.intraday import Tape
from v6.paper.market.listing import INDICES, SPX, VIX, Listing
from v6.paper.ports import Bar, Mark

__all__ = [
    "FLAT_RATES",
    "INDICES",
    "SPX",
    "VIX",
    "DailyHistory",
    "HistoryMarket",
    "Rates",
    "load_csv_history",
    "load_package_history",
]


class HistoryMarket:
    """A `Market` on real daily prices: SPX, VIX and SPX options as a pure function of (history, seed, moment).

    A moment must be timezone-aware and lie between the first day and the opening after the last: V6Error otherwise.
    """

    def __init__(
        self,
        history: DailyHistory,
        seed: int,
        rates: Rates = FLAT_RATES,
        widen: Callable[[float], float] | None = None,
    ) -> None:
        """Build the market; `widen` gives the factor on the width of quotes at a moment (seconds since the epoch)."""
        self._history = history
        self._days = [session.day for session in history.sessions]
        self._tape = Tape(history, seed)
        self._listing = Listing(history)
        self._book = Book(self._tape, self._listing, seed, rates, widen)

    @property
    def first_day(self) -> date:
        """Return the history's second session: the first one only gives it its previous close."""
        return self._days[1]

    @property
    def last_day(self) -> date:
        return self._days[-1]

    def contract(self, con_id: int) -> Contract | None:
        """Return a contract by identity, expired ones too, or None if there is none."""
        return self._listing.contract(con_id)

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        """Return the listed contracts that fit the pattern, ordered by class, expiry, strike, right.

        Empty or None fields, con_id 0 and multiplier 0 or 1 match anything. With a con_id, an option is found until
        it settles, whatever its strike.
        """
        return self._listing.find(pattern, at)

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        """Return (trading class, expiry) of the listed option series; of SPX (AM-settled) the last trading day."""
        return self._listing.expiries(symbol, at)

    def strikes(self, symbol: str, trading_class: str, expiry: date, at: datetime) -> list[float]:
        """Return the strikes of a listed series in order, [] if it is not listed."""
        if symbol != SPX.symbol:
            return []
        return [float(strike) for strike in self._listing.strikes(trading_class, expiry, at)]

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        """Return the book of each contract, None for one that is unknown or settled.

        `close` is the previous session's: the index close, or an option's theoretical value then. It changes at
        midnight in New York. Outside the sessions prices rest at the last close while time goes on.
        An index has bid None, ask equal to its price, sizes 0.
        """
        return self._book.marks(con_ids, at)

    def settlement(self, contract: Contract) -> float:
        """Return the cash value of one share at expiry; V6Error for an index or an expiry after the history's end.

        SPXW settles to the index at the close; SPX to its opening price, which stands in for the special opening
        quotation.
        """
        end, strike = self.settles_at(contract), contract.strike
        if strike is None:
            raise V6Error(f"{contract} has no strike")
        day = end.date()
        i = bisect_right(self._days, day) - 1
        if i < 0 or self._days[i] != day:
            raise V6Error(f"{contract} settles on {day}, outside the history ({self.first_day} to {self.last_day})")
        session = self._history.sessions[i]
        level = session.open if contract.trading_class == listing.MONTHLY else session.close
        value = level - float(strike) if contract.right is Right.CALL else float(strike) - level
        return max(round(value, 2), 0.0)

    def settles_at(self, contract: Contract) -> datetime:
        """Return when the contract stops trading and settles (UTC); V6Error if it is no listed option series."""
        end = listing.settles_at(contract.trading_class, contract.expiry) if contract.expiry else None
        if end is None:
            raise V6Error(f"{contract} is not an option of this market")
        return end

    def daily(self, con_id: int, until: date, sessions: int) -> list[Bar]:
        """Return up to `sessions` daily bars of an index that end on or before `until`, oldest first.

        The bar of a session that is still open tells its future: ask until the day before. The history has the VIX
        only at the close, so its bars run from close to close. V6Error for an option.
        """
        if con_id not in listing.INDICES:
            raise V6Error(f"there are no daily bars of contract {con_id}, only of {SPX} and {VIX}")
        last = bisect_right(self._days, until)
        chosen = range(max(last - max(sessions, 0), 0), last)
        return [self._vix_bar(i) if con_id == VIX.con_id else _bar(self._history.sessions[i]) for i in chosen]

    def _vix_bar(self, i: int) -> Bar:
        close = self._history.sessions[i].vix
        before = self._history.sessions[i - 1].vix if i else close
        return Bar(self._days[i], before, max(before, close), min(before, close), close)


def _bar(session: Session) -> Bar:
    return Bar(session.day, session.open, session.high, session.low, session.close)
