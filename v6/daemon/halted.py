"""Trading halts: told when they begin and end, and over only when a fresh quote has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from v6.ib.feed import Feed
from v6.model.contract import Contract
from v6.model.quote import Quote


class TradingHalts:
    """The underlyings of which a contract is halted, or has no fresh quote since; `find` puts both ends on record."""

    def __init__(self, feed: Feed, find: Callable[[str, str], None]) -> None:
        self._feed = feed
        self._find = find
        self._waiting: dict[int, Contract] = {}

    def ask_anew(self) -> None:
        """Close the lines on which trading goes on again: what they said before and in the halt is no quote of now."""
        self._feed.close(self._feed.resumed())

    def look(self, contracts: Iterable[Contract], quotes: Mapping[int, Quote]) -> None:
        """Take what is known now of the contracts that the desk watches; one that it does not watch halts nothing."""
        before, waiting = self.symbols(), {}
        for contract in contracts:
            quote = quotes.get(contract.con_id)
            halted = quote is not None and quote.halted is True
            stale = quote is None or (quote.mid is None and quote.last is None)
            if halted or (contract.con_id in self._waiting and stale):
                waiting[contract.con_id] = contract
        self._waiting = waiting
        for symbol in sorted(self.symbols() - before):
            own = [c for c in waiting.values() if c.symbol == symbol]
            text = f"{symbol}: trading in {len(own)} contracts is halted, {own[0]} among them"
            self._find("trading-halted", f"{text}; nothing opens on it, and no price of theirs is used")
        for symbol in sorted(before - self.symbols()):
            self._find("trading-resumed", f"{symbol}: every contract that was halted has a fresh quote")

    def symbols(self) -> frozenset[str]:
        """Return the underlyings on which nothing may open."""
        return frozenset(contract.symbol for contract in self._waiting.values())

    def of(self, symbol: str) -> str | None:
        """Return why nothing may open on the underlying, None if something may."""
        return f"trading in {symbol} is halted" if symbol in self.symbols() else None
