"""`v6 quality` as a person and as a program reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from tests.store.test_quality import CLEAN, EVERY_S, changed
from v6.cli import app
from v6.store.history import FOLDER, History


def test_a_clean_history_exits_0_and_one_with_a_defect_1(tmp_path: Path) -> None:
    clean, bad = tmp_path / "clean", tmp_path / "bad"
    History(clean / FOLDER, EVERY_S).put(CLEAN)
    History(bad / FOLDER, EVERY_S).put(changed(lambda q: replace(q, bid=(q.ask or 0.0) + 0.1)))
    assert CliRunner().invoke(app, ["quality", "--store", str(clean)]).exit_code == 0
    text = CliRunner().invoke(app, ["quality", "--store", str(bad)])
    assert text.exit_code == 1
    assert "crossed" in text.output
    answer = CliRunner().invoke(app, ["quality", "--store", str(bad), "--from", "2015-03-06", "--json"])
    assert answer.exit_code == 1
    (finding,) = json.loads(answer.stdout)["findings"]
    assert (finding["kind"], finding["day"], finding["count"]) == ("crossed", "2015-03-06", 1)
    assert 0 < finding["share"] < 0.01


def test_a_store_without_a_history_is_an_error_with_a_reason(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["quality", "--store", str(tmp_path)])
    assert result.exit_code == 1
    assert "chain_quotes" in str(result.exception)
