"""How one desk is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, TypeAlias

from v6.daemon.supervise import HEARTBEAT_S
from v6.ib.reconnect import IB_NORTH_AMERICA, Downtime

SelfCheck: TypeAlias = Callable[[Path, date], tuple[str, ...]]
"""From a store and a UTC day to what is wrong with the decisions on record; runs in a thread of its own."""


RECONCILE_EVERY_S: Final = 900.0
ONCE_A_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the desk's files and its store are, whom to connect to, and how often to look.

    The tables are brought up to date every `flush_every` cycles, at the last of a session (`flush_at_close`) and at
    the end. `look_every_s` are wall seconds between two looks at the desk's files: nobody edits them in virtual time.
    Without a `heartbeat_s` the link is only tried by each cycle, as suits a simulation of years. `adopt` takes the
    positions of another origin that are there at the start as their owner's: watched, never traded, no reason to halt.
    With `require_diff` an edit that loosens the rules is taken only when `v6 diff` has looked at it on this store's
    record. `self_check` makes the day's decisions again at its close, off the loop; what it returns are findings.
    Every `reconcile_every_s` of a session the account is compared with the books, beside after every gap.
    Every `health_every` cycles the desk's own health is measured; 0, never, suits simulations whose hash is compared.
    `keep_greeks` puts the legs' greeks on record with each snapshot.
    """

    root: Path
    store: Path
    host: str
    port: int
    client_id: int = 1
    cycle_s: float = 30.0
    durable: bool = True
    flush_every: int = 1
    flush_at_close: bool = True
    look_every_s: float = 0.0
    heartbeat_s: float | None = HEARTBEAT_S
    downtimes: tuple[Downtime, ...] = IB_NORTH_AMERICA
    adopt: bool = False
    require_diff: bool = False
    self_check: SelfCheck | None = None
    reconcile_every_s: float = RECONCILE_EVERY_S
    health_every: int = 0
    keep_greeks: bool = False


def simulated(root: Path, store: Path, port: int, cycle_s: float) -> Settings:
    """Return how a desk is run beside a gateway in memory, in virtual time; `replace` what differs."""
    return Settings(
        root,
        store,
        "127.0.0.1",
        port,
        cycle_s=cycle_s,
        # A simulation that is lost with the machine is run again; its journal need not reach the disk's platter.
        durable=False,
        flush_every=1_000_000,
        # In memory no link is ever half open, and seventeen thousand heartbeats a day would be most of the work.
        heartbeat_s=None,
    )
