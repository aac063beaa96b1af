"""The market of the paper gateway: real daily history, made tradable by seeded paths and an arbitrage-free surface.

Beside the index and its options it lists a fund on it, SPY, which is a tenth of the index, pays dividends and has
American options.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date, datetime

from v6.errors import V6Error
from v6.model.contract import Contract, Right
from v6.paper.market import listing
from v6.paper.market.book import FLAT_RATES, Book, Rates
from v6.paper.market.fund import SPY, Fund
from v6.paper.market.fund import settles_at as fund_settles_at
from v6.paper.market.fund_book import FundBook
from v6.paper.market.history import DailyHistory, Session, load_csv_history, load_package_history
from v6.paper.market.intraday import Tape
from v6.paper.market.listing import INDICES, SPX, VIX, Listing
from v6.paper.ports import Bar, Dividend, Mark, StockTerms

__all__ = [
    "FLAT_RATES",
    "INDICES",
    "SPX",
    "SPY",
    "VIX",
    "DailyHistory",
    "HistoryMarket",
    "Rates",
    "load_csv_history",
    "load_package_history",
]


class HistoryMarket:
    """A `Market` on real daily prices: SPX, VIX, SPY and options on SPX and SPY, of (history, seed, moment) alone.

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
        self._fund = Fund(history, rates.dividend)
        self._fund_book = FundBook(self._fund, self._tape, seed, rates, widen)

    @property
    def first_day(self) -> date:
        """Return the history's second session: the first one only gives it its previous close."""
        return self._days[1]

    @property
    def last_day(self) -> date:
        return self._days[-1]

    def contract(self, con_id: int) -> Contract | None:
        """Return a contract by identity, expired ones too, or None if there is none."""
        return self._listing.contract(con_id) or self._fund.contract(con_id)

    def stock(self, con_id: int, at: datetime) -> StockTerms | None:
        """Return the terms of the fund at the moment, None for anything else."""
        return self._fund.terms(at) if con_id == SPY.con_id else None

    def dividends(self, con_id: int, first: date, last: date) -> list[Dividend]:
        """Return the fund's dividends with an ex-dividend day between two days, [] for anything else."""
        return self._fund.dividends(first, last) if con_id == SPY.con_id else []

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        """Return the listed contracts that fit the pattern, ordered by class, expiry, strike, right.

        Empty or None fields, con_id 0 and multiplier 0 or 1 match anything. With a con_id, an option is found until
        it settles, whatever its strike.
        """
        return [*self._listing.find(pattern, at), *self._fund.find(pattern, at)]

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        """Return (trading class, expiry) of the listed option series; of SPX (AM-settled) the last trading day."""
        if symbol == SPY.symbol:
            return [(SPY.symbol, day) for day in self._fund.expiries(at)]
        return self._listing.expiries(symbol, at)

    def strikes(self, symbol: str, trading_class: str, expiry: date, at: datetime) -> list[float]:
        """Return the strikes of a listed series in order, [] if it is not listed."""
        if symbol == SPY.symbol and trading_class == SPY.symbol:
            return [float(strike) for strike in self._fund.strikes(expiry, at)]
        if symbol != SPX.symbol:
            return []
        return [float(strike) for strike in self._listing.strikes(trading_class, expiry, at)]

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        """Return the book of each contract, None for one that is unknown or settled.

        `close` is the previous session's: the index close, or an option's theoretical value then. It changes at
        midnight in New York. Outside the sessions prices rest at the last close while time goes on.
        An index has bid None, ask equal to its price, sizes 0.
        """
        marks = self._book.marks(con_ids, at)
        self._fund_book.fill(tuple(con_ids), at, marks)
        return marks

    def settlement(self, contract: Contract) -> float:
        """Return the cash value of one share at expiry; V6Error for an index or an expiry after the history's end.

        SPXW settles to the index at the close; SPX to its opening price, which stands in for the special opening
        quotation; options on the fund to its closing price.
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
        if contract.symbol == SPY.symbol:
            level = round(self._fund.worth(session.close, day), 2)
        value = level - float(strike) if contract.right is Right.CALL else float(strike) - level
        return max(round(value, 2), 0.0)

    def settles_at(self, contract: Contract) -> datetime:
        """Return when the contract stops trading and settles (UTC); V6Error if it is no listed option series."""
        end = None
        if contract.expiry is not None and contract.symbol == SPY.symbol:
            end = fund_settles_at(contract.expiry)
        elif contract.expiry is not None:
            end = listing.settles_at(contract.trading_class, contract.expiry)
        if end is None:
            raise V6Error(f"{contract} is not an option of this market")
        return end

    def daily(self, con_id: int, until: date, sessions: int) -> list[Bar]:
        """Return up to `sessions` daily bars of an index or the fund that end on or before `until`, oldest first.

        The bar of a session that is still open tells its future: ask until the day before. The history has the VIX
        only at the close, so its bars run from close to close. V6Error for an option.
        """
        if con_id not in listing.INDICES and con_id != SPY.con_id:
            raise V6Error(f"there are no daily bars of contract {con_id}, only of {SPX}, {VIX} and {SPY}")
        last = bisect_right(self._days, until)
        chosen = range(max(last - max(sessions, 0), 0), last)
        if con_id == SPY.con_id:
            return [self._fund_bar(self._history.sessions[i]) for i in chosen]
        return [self._vix_bar(i) if con_id == VIX.con_id else _bar(self._history.sessions[i]) for i in chosen]

    def _fund_bar(self, session: Session) -> Bar:
        prices = (session.open, session.high, session.low, session.close)
        return Bar(session.day, *(round(self._fund.worth(price, session.day), 2) for price in prices))

    def _vix_bar(self, i: int) -> Bar:
        close = self._history.sessions[i].vix
        before = self._history.sessions[i - 1].vix if i else close
        return Bar(self._days[i], before, max(before, close), min(before, close), close)


def _bar(session: Session) -> Bar:
    return Bar(session.day, session.open, session.high, session.low, session.close)
