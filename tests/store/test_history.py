"""The desk's own history: each batch is in its table exactly once, wherever a process ended."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from v6.errors import StoreError
from v6.model.contract import Contract, Right, SecType
from v6.model.quote import Greeks, Quote, QuoteType
from v6.model.recording import Observation
from v6.store import history as module
from v6.store.delta import open_table
from v6.store.history import History, connect
from v6.store.upkeep import COMPACT_EVERY

SLOT = datetime(2015, 3, 3, 15, 30, tzinfo=UTC)
SPX = Contract(1, "SPX", SecType.INDEX, "CBOE")


def option(con_id: int) -> Contract:
    return Contract(
        con_id, "SPX", SecType.OPTION, multiplier=100, trading_class="SPXW", expiry=date(2015, 4, 2),
        strike=Decimal(2000 + con_id), right=Right.PUT,
    )  # fmt: skip


def seen(con_id: int, slot: datetime = SLOT) -> Observation:
    at = slot + timedelta(seconds=con_id)
    quote = Quote(con_id, at, 1.0, 1.2, None, 1.1, Greeks(-0.1, 0.2, -0.3, 0.4, 0.18), QuoteType.DELAYED)
    return Observation(slot, at, option(con_id), quote, 5.0, None, spot=2100.0)


def index(slot: datetime = SLOT) -> Observation:
    return Observation(slot, slot, SPX, Quote(1, slot, last=2100.0))


def con_ids(root: Path) -> list[int]:
    return [r[0] for r in connect(root).execute("SELECT con_id FROM chain_quotes ORDER BY seq, con_id").fetchall()]


def test_what_was_observed_is_there_and_what_is_missing_is_null(tmp_path: Path) -> None:
    history = History(tmp_path, 3600)
    unanswered = Observation(SLOT, SLOT, option(12), None, error="no answer within 15 s")
    assert history.put([index(), seen(11), unanswered]) == 3
    columns = "con_id, bid, last, iv, quote_type, ask_size, spot, error, every_s, epoch(sweep)"
    assert connect(tmp_path).execute(f"SELECT {columns} FROM chain_quotes ORDER BY con_id").fetchall() == [
        (11, 1.0, None, 0.18, "delayed", None, 2100.0, None, 3600, SLOT.timestamp()),
        (12, None, None, None, None, None, None, "no answer within 15 s", 3600, SLOT.timestamp()),
    ]
    assert connect(tmp_path).execute("SELECT symbol, last, bid FROM underlying_quotes").fetchall() == [
        ("SPX", 2100.0, None)
    ]
    assert history.done(SLOT) == {1, 11, 12}
    assert history.done(SLOT + timedelta(hours=1)) == set()


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    history = History(tmp_path, 3600)
    with pytest.raises(StoreError, match="bid_size: NaN"):
        history.put([replace(seen(11), bid_size=math.nan)])
    assert history.put([seen(12)]) == 1
    assert con_ids(tmp_path) == [12]


@pytest.mark.parametrize("ends", ["before the commit", "after the commit"])
def test_a_process_that_ends_around_a_commit_leaves_the_batch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    history = History(tmp_path, 3600)
    history.put([seen(11)])
    write = module.write_deltalake

    def cut(*arguments: object, **keywords: object) -> None:
        if ends == "after the commit":
            write(*arguments, **keywords)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_deltalake", cut)
        with pytest.raises(KeyboardInterrupt):
            history.put([seen(12), seen(13)])
    assert len(list((tmp_path / "_spool").glob("*.parquet"))) == 1
    again = History(tmp_path, 3600)
    assert con_ids(tmp_path) == [11, 12, 13]
    assert list((tmp_path / "_spool").iterdir()) == []
    again.put([seen(14)])
    assert con_ids(tmp_path) == [11, 12, 13, 14]


def test_the_same_file_in_the_spool_again_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path, 3600)
    with monkeypatch.context() as patch:
        patch.setattr(History, "drain", lambda self: None)
        history.put([seen(11), seen(12)])
    (file,) = (tmp_path / "_spool").glob("*.parquet")
    copy = tmp_path / "copy"
    shutil.copy(file, copy)
    history.drain()
    shutil.copy(copy, file)
    history.drain()
    assert con_ids(tmp_path) == [11, 12]
    assert not file.exists()


def test_a_batch_that_was_not_whole_is_no_batch(tmp_path: Path) -> None:
    History(tmp_path, 3600).put([seen(11)])
    (tmp_path / "_spool" / "000000000002.part").write_bytes(b"PAR1 and no more")
    History(tmp_path, 3600).put([seen(12)])
    assert con_ids(tmp_path) == [11, 12]


def test_a_torn_newest_commit_is_mended_and_the_next_batch_not_lost(tmp_path: Path) -> None:
    history = History(tmp_path, 3600)
    history.put([seen(11)])
    history.put([seen(12)])
    newest = max((tmp_path / "chain_quotes" / "_delta_log").glob("*.json"))
    newest.write_bytes(b"")
    mended = History(tmp_path, 3600)
    assert any("torn" in text for text in mended.mended)
    mended.put([seen(13)])
    assert con_ids(tmp_path) == [11, 13]


def test_many_sweeps_are_kept_up_like_every_table(tmp_path: Path) -> None:
    history = History(tmp_path, 3600)
    count = COMPACT_EVERY + 3
    for n in range(count):
        history.put([seen(11, SLOT + n * timedelta(hours=1))])
    assert con_ids(tmp_path) == [11] * count
    assert len(open_table(tmp_path / "chain_quotes").file_uris()) < count


def test_without_room_on_the_disk_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path, 3600)
    monkeypatch.setattr(module, "_LEAST_FREE", 2**80)
    with pytest.raises(StoreError, match="are free"):
        history.put([seen(11)])
    assert con_ids(tmp_path) == []
