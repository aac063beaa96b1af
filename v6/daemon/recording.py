"""Put the recorder together for one desk, if its files ask for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from v6.daemon.settings import Settings
from v6.errors import Diagnostic
from v6.ib.glimpse import Glimpse
from v6.ib.link import Link
from v6.ib.listings import Listings
from v6.ib.recorder import Recorder
from v6.lang.recording import RECORDING, read_recording
from v6.model.recording import RecordingPlan
from v6.ports import Clock
from v6.pricing.calendar import TradingCalendar
from v6.rules.tree import read_one
from v6.store.history import FOLDER, History


def plan_of(root: Path) -> RecordingPlan | list[str] | None:
    """Return what the desk's recording.yaml asks for, None if there is none, or in words what is wrong with it."""
    text = read_one(root, RECORDING)
    if text is None:
        return None
    if isinstance(text, Diagnostic):
        return [str(text)]
    plan, diagnostics = read_recording(text)
    return list(map(str, diagnostics)) if plan is None else plan


def recorder_of(
    settings: Settings,
    link: Link,
    clock: Clock,
    calendar: TradingCalendar,
    room: Callable[[], int],
    tell: Callable[[str, str], object],
) -> Recorder | None:
    """Return the recorder that recording.yaml asks for, None where it asks for none or is wrong (then it is told).

    The file is read at the start only. A history that cannot be opened raises StoreError.
    """
    plan = plan_of(settings.root)
    if isinstance(plan, list):
        tell("recording-file", "; ".join(plan))
        return None
    if plan is None:
        return None
    history = History(settings.store / FOLDER, plan.every_s)
    for text in history.mended:
        tell("history-damaged", text)
    return Recorder(plan, Listings(link), Glimpse(link, clock), history, clock, calendar, room, tell)
