"""The preview of a template on a day of the paper market."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from v6.cli import app
from v6.errors import V6Error
from v6.lang.load import read_strategy
from v6.preview import Preview, preview
from v6.strategy import Refused

DAY = date(2017, 6, 1)
TEMPLATES = sorted((ROOT / "strategies").glob("*.yaml"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_every_shipped_template_opens_something_with_figures_that_add_up(path: Path) -> None:
    found = preview(read_strategy(path.name, path.read_text()), DAY, 1)
    assert isinstance(found, Preview)
    low = min(found.legs, key=lambda leg: leg.strike).strike
    high = max(found.legs, key=lambda leg: leg.strike).strike
    width = high - low if len(found.legs) == 2 else 50.0
    assert found.max_profit + found.max_loss == pytest.approx(width * 100 * found.units)
    assert found.margin == found.max_loss > 0
    assert found.natural >= found.mid
    assert all(low <= end <= high for end in found.breakevens)
    assert found.probability_of_profit is not None
    assert 0.2 < found.probability_of_profit < 0.95
    assert found.curve is not None
    assert found.units * max(found.curve.at_expiry) == pytest.approx(found.max_profit)
    assert found.units * min(found.curve.at_expiry) == pytest.approx(-found.max_loss)


def test_the_same_day_and_seed_give_the_same_preview() -> None:
    template = read_strategy("s.yaml", TEMPLATES[0].read_text())
    assert preview(template, DAY, 1) == preview(template, DAY, 1)


def test_a_template_that_asks_too_much_is_refused_with_its_reasons() -> None:
    text = (
        (ROOT / "strategies/iron_condor.yaml").read_text().replace("min_credit_ratio: 0.10", "min_credit_ratio: 0.9")
    )
    found = preview(read_strategy("s.yaml", text), DAY, 1)
    assert isinstance(found, Refused)
    assert "less than asked" in found.reasons[0]


def test_a_day_without_a_session_is_an_error_that_names_the_history() -> None:
    template = read_strategy("s.yaml", TEMPLATES[0].read_text())
    with pytest.raises(V6Error, match="2017-06-04 is no session of the history, which has 2014-"):
        preview(template, date(2017, 6, 4), 1)


def test_the_command_draws_the_payoff_and_speaks_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    arguments = ["strategy", "preview", "strategies/bear_put_spread.yaml", "--on", "2017-06-01"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "breakevens" in shown.stdout
    assert "at expiry" in shown.stdout
    spoken = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(spoken.stdout)["strategy"] == "bear_put_spread"


def test_a_template_with_a_mistake_is_shown_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(TEMPLATES[0].read_text().replace("width: 25", "widht: 25"))
    found = CliRunner().invoke(app, ["strategy", "preview", str(file)])
    assert found.exit_code == 1
    assert "unknown-key" in str(found.exception)
    assert CliRunner().invoke(app, ["strategy", "preview", str(tmp_path / "gone.yaml")]).exit_code == 1
