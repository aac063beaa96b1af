"""What the broker does not let this login do, remembered until the desk is started again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from v6.execution.ledger import Ledger

NOT_ALLOWED: Final = 203
VALIDATION: Final = 321
READ_ONLY: Final = re.compile(r"read-?\s?only", re.IGNORECASE)
"""In the text of error 321: `The API interface is currently in Read-Only mode.`"""


class Permissions:
    """Trading classes that the account may not trade, and an API that takes no orders; `find` puts them on record."""

    def __init__(self, ledger: Ledger, find: Callable[[str, str], None]) -> None:
        self._ledger = ledger
        self._find = find
        self._refused: dict[str, str] = {}
        self._read_only: str | None = None
        self._said_since_connecting = False

    def heard(self, number: int, code: int, text: str) -> None:
        """Take an error of the broker; `number` is the order's where it speaks of one."""
        if code == NOT_ALLOWED:
            self._refuse(number, text)
        elif code == VALIDATION and READ_ONLY.search(text):
            self._said_since_connecting = True
            if self._read_only is None:
                self._read_only = text
                advice = "nothing can be opened or closed until the API settings of the gateway allow orders"
                self._find("api-read-only", f"{text} ({advice})")

    def refused(self, trading_class: str) -> str | None:
        """Return the broker's words for refusing the trading class, None if it did not."""
        return self._refused.get(trading_class)

    def reasons(self) -> Iterator[str]:
        """Yield why nothing may open: an API that takes no orders."""
        if self._read_only is not None:
            yield "the API of the gateway is read-only"

    def connecting(self) -> None:
        """Note that an attempt to connect begins."""
        self._said_since_connecting = False

    def connected(self) -> None:
        """Forget that the API was read-only if this connection did not say so: its settings have changed."""
        if not self._said_since_connecting:
            self._read_only = None

    def _refuse(self, number: int, text: str) -> None:
        # The refusal may have ended the order by now; ids rise over the life of a store.
        record = next((r for r in reversed(self._ledger.orders.values()) if number > 0 and r.order_id == number), None)
        if record is None:
            return
        for leg in record.intent.structure.legs:
            name = leg.contract.trading_class
            if name not in self._refused:
                self._refused[name] = text
                self._find("class-not-allowed", f"{name} is not opened again until the desk is restarted: {text}")
