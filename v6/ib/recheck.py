"""After a gap in which the broker kept the lines (1102): is each of them alive?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from v6.errors import BrokerError
from v6.ib.feed import Feed
from v6.ib.link import Link

SILENT_S: Final = 15.0
"""A line without a tick for so long in an open market is asked again: a quiet one then tells all it knows."""

MOST_ASKED: Final = 3

log = structlog.get_logger("v6.ib")


class LineCheck:
    """Looks at every line some seconds after a gap; `tell` is called with those that stay silent however often asked.

    While the market is closed (`is_open`) silent lines are let go, and opened anew by the first cycle of a session.
    """

    def __init__(self, feed: Feed, link: Link, is_open: Callable[[], bool], tell: Callable[[str], None]) -> None:
        self._feed = feed
        self._link = link
        self._is_open = is_open
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        link.on_restored(self._on_restored)

    def _on_restored(self) -> None:
        if self._link.lines_kept:
            self._look_later(0)

    def _look_later(self, asked: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SILENT_S, self._look, asked)

    def _look(self, asked: int) -> None:
        self._timer = None
        silent = self._feed.silent()
        if not silent or not self._link.ib.isConnected():
            return
        try:
            if not self._is_open():
                self._feed.close(silent)
            elif asked == MOST_ASKED:
                self._tell(f"{len(silent)} lines do not tick, asked {asked} times: contracts {silent[:10]}")
            else:
                log.info("lines-asked-again", con_ids=silent)
                self._feed.ask_again(silent)
                self._look_later(asked + 1)
        except BrokerError as error:
            log.warning("lines-not-asked-again", error=str(error))  # the connection is gone, and its lines with it
