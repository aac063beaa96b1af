"""What the account tells its clients: values, portfolio, positions, profit and loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias

from v6.model.contract import Contract, SecType
from v6.paper.account import Holding, Ledger
from v6.paper.codec import UNSET_DOUBLE, frame, text
from v6.paper.fields import ACCOUNT_VALUE, MULTI, PNL, PNL_SINGLE, PORTFOLIO, POSITION, POSITION_MULTI, SUMMARY
from v6.paper.listing import block, primary_exchange
from v6.paper.margin import Quotes

CENT: Final = Decimal("0.01")
_MONEY: Final = Decimal("0.0001")
# The hot path writes the fields as text itself; the table stays the authority on their number.
assert len(PORTFOLIO.names) == 11 + 7
Row: TypeAlias = tuple[str, str, str]
"""(tag, value, currency)."""


@dataclass(slots=True)
class Figures:
    """The account in money at one moment.

    `day_start` is the net liquidation at the previous close, `day_values` what each holding was worth then.
    """

    ledger: Ledger
    prices: Mapping[int, Decimal]
    account: str
    day_start: Decimal
    day_values: Mapping[int, Decimal] = field(default_factory=dict)
    spots: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def net_liquidation(self) -> Decimal:
        return self.ledger.cash + self.ledger.accrued + self.ledger.market_value(self.prices)

    @property
    def unrealized(self) -> Decimal:
        return sum((self.ledger.value(h, self.prices) - h.cost for h in self.ledger.holdings.values()), Decimal(0))

    def values(self) -> list[Row]:
        """Return (tag, value, currency) of everything the account reports."""
        ledger, zero = self.ledger, Decimal(0)
        worth = [(h.contract.sec_type, ledger.value(h, self.prices)) for h in ledger.holdings.values()]
        options = sum((v for kind, v in worth if kind is SecType.OPTION), zero)
        stocks = sum((v for kind, v in worth if kind is SecType.STOCK), zero)
        margin, cash = ledger.margin(Quotes(self.prices, self.spots)), ledger.cash
        equity = cash + stocks
        free, excess = equity - margin.initial, equity - margin.maintenance
        money = {
            "AccruedDividend": ledger.accrued,
            "AvailableFunds": free,
            "BuyingPower": max(4 * free, zero),
            "CashBalance": cash,
            "EquityWithLoanValue": equity,
            "ExcessLiquidity": excess,
            "FullAvailableFunds": free,
            "FullExcessLiquidity": excess,
            "FullInitMarginReq": margin.initial,
            "FullMaintMarginReq": margin.maintenance,
            "GrossPositionValue": sum((abs(v) for _, v in worth), zero),
            "InitMarginReq": margin.initial,
            "MaintMarginReq": margin.maintenance,
            "NetLiquidation": cash + ledger.accrued + sum((v for _, v in worth), zero),
            "OptionMarketValue": options,
            "RealizedPnL": ledger.realized,
            "StockMarketValue": stocks,
            "TotalCashBalance": cash,
            "TotalCashValue": cash,
            "UnrealizedPnL": self.unrealized,
        }
        return [("AccountCode", self.account, ""), ("AccountType", "INDIVIDUAL", ""), ("Currency", "USD", "USD")] + [
            (tag, str(value.quantize(CENT)), "USD") for tag, value in money.items()
        ]

    def account_values(self, rows: Iterable[Row]) -> bytes:
        """Return updateAccountValue messages."""
        return b"".join(ACCOUNT_VALUE.encode(*row, self.account) for row in rows)

    def multi(self, req_id: int, model: str, rows: Iterable[Row]) -> bytes:
        """Return accountUpdateMulti messages."""
        return b"".join(MULTI.encode(req_id, self.account, model, *row) for row in rows)

    def summary(self, req_id: int, tags: str, rows: Iterable[Row]) -> bytes:
        """Return the accountSummary messages for a comma-separated list of tags, `All` or `$LEDGER`."""
        wanted = {tag.split(":")[0] for tag in tags.split(",")}
        everything = bool(wanted & {"All", "$LEDGER"})
        return b"".join(SUMMARY.encode(req_id, self.account, *row) for row in rows if everything or row[0] in wanted)

    def portfolio(self, gone: Iterable[Holding] = ()) -> bytes:
        """Return the updatePortfolio messages of all holdings, and a zero for each that is gone."""
        return b"".join(map(self._item, [*self.ledger.holdings.values(), *gone]))

    def _item(self, held: Holding) -> bytes:
        price = self.prices.get(held.contract.con_id, Decimal(0))
        value = self.ledger.value(held, self.prices)
        numbers = (price, _money(value), _money(held.average_cost), _money(value - held.cost), _money(held.realized))
        return frame((_place(held.contract), repr(held.quantity), *(f"{n:f}" for n in numbers), self.account))

    def positions(self, holdings: Iterable[Holding]) -> bytes:
        """Return position messages; a holding of quantity 0 tells that it is closed."""
        return b"".join(
            POSITION.encode(self.account, *block(h.contract, ""), h.quantity, _money(h.average_cost)) for h in holdings
        )

    def positions_multi(self, req_id: int, model: str, holdings: Iterable[Holding]) -> bytes:
        """Return positionMulti messages."""
        rows = ((*block(h.contract, ""), h.quantity, _money(h.average_cost)) for h in holdings)
        return b"".join(POSITION_MULTI.encode(req_id, self.account, *row, model) for row in rows)

    def pnl(self, req_id: int) -> bytes:
        """Return the pnl message: daily, unrealised, realised."""
        daily = self.net_liquidation - self.day_start
        return PNL.encode(req_id, _money(daily), _money(self.unrealized), _money(self.ledger.realized))

    def daily_of(self, con_id: int) -> Decimal:
        """Return what one contract has made since the previous close; over all contracts it is the account's."""
        zero, held = Decimal(0), self.ledger.holdings.get(con_id)
        value = zero if held is None else self.ledger.value(held, self.prices)
        return value - self.day_values.get(con_id, zero) + self.ledger.flows.get(con_id, zero)

    def pnl_single(self, req_id: int, con_id: int) -> bytes:
        """Return pnlSingle of one contract; all but the position is unset for one that was never held."""
        held = self.ledger.holdings.get(con_id) or self.ledger.closed.get(con_id)
        if held is None:
            return PNL_SINGLE.encode(req_id, 0, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE)
        value = self.ledger.value(held, self.prices) if held.quantity else Decimal(0)
        return PNL_SINGLE.encode(req_id, held.quantity, _money(self.daily_of(con_id)), _money(value - held.cost),
                                 _money(held.realized), _money(value))  # fmt: skip


@lru_cache(maxsize=1024)
def _place(contract: Contract) -> str:
    """Return the fields of an updatePortfolio message up to the contract's last, as they go on the wire."""
    where = block(contract, "")
    return "\0".join(("7", "8", *map(text, (*where[:7], primary_exchange(contract), *where[8:]))))


def _money(value: Decimal) -> Decimal:
    return value.quantize(_MONEY)
