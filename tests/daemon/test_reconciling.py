"""A whole daemon beside hands that trade in its account: seen by the timer, told once, and nothing made worse."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.daemon.test_daemon import Scene, play
from v6.daemon.daemon import Daemon
from v6.errors import StoreError
from v6.model import event as e
from v6.model.contract import Contract
from v6.model.order import Purpose

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

DAY = date(2014, 1, 6)


def findings(scene: Scene) -> list[tuple[str, str]]:
    return [(event.code, event.text) for event in scene.seen if isinstance(event, e.FindingRaised)]


def sent(scene: Scene, purpose: Purpose) -> list[datetime]:
    intents = {i.intent.order_ref: i.intent for i in scene.seen if isinstance(i, e.OrderIntended)}
    orders = [event for event in scene.seen if isinstance(event, e.OrderSending)]
    return [event.at for event in orders if intents[event.order_ref].purpose is purpose]


def at_hours(day: date, **acts: Callable[[Scene], None]) -> Callable[[Scene, Daemon, datetime], None]:
    """Return a hook that does each act, named `h17` for 17:00 UTC, in the first cycle of its hour."""

    def hook(scene: Scene, _: Daemon, now: datetime) -> None:
        act = acts.pop(f"h{now.hour}", None) if now.date() == day else None
        if act is not None:
            act(scene)

    return hook


def close_everything(scene: Scene) -> None:
    """Have the desk's owner tighten a rule so far that it closes whatever is held."""
    path = scene.settings.root / "rules/time_exit.yaml"
    text = path.read_text()
    for before, after in (("{value: 2,", "{value: 365,"), ("max: 21", "max: 400"), ("{dte: 3}", "{dte: 366}")):
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    for test in path.parent.glob("*.test.yaml"):
        test.unlink()


def leg(scene: Scene, sign: int) -> Contract:
    return next(h.contract for h in scene.gateway.ledger.holdings.values() if h.quantity * sign > 0)


def test_what_somebody_trades_by_hand_is_seen_within_a_quarter_of_an_hour_without_any_gap(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        scene.gateway.ledger.trade(leg(scene, 1), 1, Decimal(1), Decimal(0))

    scene = play(tmp_path, at_hours(DAY, h17=act, h18=close_everything))
    raised = [event for event in scene.seen if isinstance(event, e.FindingRaised)]
    assert [event.code for event in raised] == ["quantity-differs", "missing-here"], (
        "each told once, though it lasts: of two there was one too many, and when ours was closed it was left"
    )
    assert raised[0].at <= datetime(2014, 1, 6, 17, 20, tzinfo=raised[0].at.tzinfo)
    assert {at.date() for at in sent(scene, Purpose.OPEN)} == {DAY}
    assert sent(scene, Purpose.CLOSE), "what the broker wholly holds is still closed"


def test_a_position_of_which_a_leg_is_gone_is_not_closed_for_that_would_open_the_leg_anew(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        gone = leg(scene, -1)
        scene.gateway.ledger.trade(gone, -scene.gateway.ledger.quantity(gone.con_id), Decimal(1), Decimal(0))

    scene = play(tmp_path, at_hours(DAY, h17=act, h18=close_everything))
    assert [code for code, _ in findings(scene)] == ["missing-there", "exit-fenced"]
    assert sent(scene, Purpose.CLOSE) == []
    assert len(scene.gateway.positions()) == 3


def test_tables_that_cannot_be_written_stop_opening_and_not_the_desk(tmp_path: Path) -> None:
    tighten = at_hours(date(2014, 1, 7), h18=close_everything)

    def hook(scene: Scene, daemon: Daemon, now: datetime) -> None:
        tighten(scene, daemon, now)

        def flush(real: Callable[[], int] = daemon.outbox.flush) -> int:
            if scene.clock.now().date() == date(2014, 1, 7):
                raise StoreError("table snapshots: OSError: No space left on device")
            return real()

        if now.date() == DAY and not hasattr(scene, "broken"):
            scene.broken = True  # type: ignore[attr-defined]
            daemon.outbox.flush = flush  # type: ignore[method-assign]

    scene = play(tmp_path, hook)
    assert [code for code, _ in findings(scene)] == ["tables-not-written"]
    began = next(event.at for event in scene.seen if isinstance(event, e.FindingRaised))
    ended = datetime(2014, 1, 8, 14, 30, tzinfo=began.tzinfo)
    assert not [at for at in sent(scene, Purpose.OPEN) if began < at < ended]
    assert [at for at in sent(scene, Purpose.CLOSE) if began < at < ended], "exits go on"
    assert [at for at in sent(scene, Purpose.OPEN) if at > ended + timedelta(hours=1)], "and opening does later"
    assert scene.agrees()
