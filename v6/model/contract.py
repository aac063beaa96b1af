"""Contracts and legs, in the field's terms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class SecType(StrEnum):
    STOCK = "STK"
    INDEX = "IND"
    OPTION = "OPT"
    FUTURE = "FUT"
    BAG = "BAG"


class Right(StrEnum):
    CALL = "C"
    PUT = "P"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


@dataclass(frozen=True, slots=True, order=True)
class Contract:
    """What IB calls a contract; con_id is its identity, the rest is how people name it."""

    con_id: int
    symbol: str
    sec_type: SecType
    exchange: str = "SMART"
    currency: str = "USD"
    multiplier: int = 1
    trading_class: str = ""
    expiry: date | None = None
    strike: Decimal | None = None
    right: Right | None = None

    def __str__(self) -> str:
        if self.sec_type is SecType.OPTION:
            return f"{self.trading_class or self.symbol} {self.expiry:%Y-%m-%d} {self.strike}{self.right}"
        return f"{self.symbol} {self.sec_type}"


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract of a structure; ratio is signed, +1 long and -1 short, per unit held."""

    contract: Contract
    ratio: int
