"""What the account holds, whoever bought it, as contracts that can be quoted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import ib_async
import structlog

from v6.errors import BrokerError
from v6.ib import convert
from v6.ib.link import Link
from v6.model.contract import Contract, SecType

log = structlog.get_logger("v6.ib")


class Holdings:
    """The positions that the broker pushes; each contract is converted once. `unreadable` are those of other kinds."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[int, Contract | None] = {}
        self.unreadable: dict[int, str] = {}

    def contracts(self) -> Iterator[Contract]:
        """Yield the contracts that are held now and that V6 can ask a quote of."""
        positions = self._link.ib.wrapper.positions.get(self._link.account, {})
        for con_id, position in positions.items():
            if con_id not in self._known:
                self._known[con_id] = self._convert(position.contract)
            contract = self._known[con_id]
            if contract is not None:
                yield contract

    def _convert(self, wire: ib_async.Contract) -> Contract | None:
        try:
            contract = convert.from_ib(wire)
        except BrokerError as error:
            self.unreadable[wire.conId] = str(error)
            log.warning("position-cannot-be-quoted", con_id=wire.conId, error=str(error))
            return None
        # A position names no exchange, or the one it is listed on; quotes come from all of them.
        smart = contract.sec_type in (SecType.OPTION, SecType.STOCK)
        return replace(contract, exchange="SMART") if smart else contract
