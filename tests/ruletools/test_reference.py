"""The chapters of docs/rules.md about the rules are what the files say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from v6.errors import V6Error
from v6.ruletools.reference import written

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "rules.md"
EMPTY = "<!-- rules twelve -->\n<!-- end of rules -->\n<!-- rules extra -->\n<!-- end of rules -->\n"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    return tmp_path


def test_the_document_is_what_the_rules_say() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text, ROOT) == text, "run python -m v6.ruletools.reference docs/rules.md"


def test_every_rule_has_its_place_in_the_order_of_priority(desk: Path) -> None:
    twelve, extra = written(EMPTY, desk).split("<!-- rules extra -->")
    assert [line for line in twelve.split("\n") if line.startswith("### ")][:3] == [
        "### catastrophe",
        "### single_leg_exit",
        "### trailing_stop",
    ]
    assert twelve.count("### ") == 12
    assert [line for line in extra.split("\n") if line.startswith("### ")] == [
        "### assignment_risk",
        "### earnings_exit",
        "### iv_percentile_exit",
    ]


def test_a_changed_threshold_changes_the_document(desk: Path) -> None:
    rule = desk / "rules" / "time_exit.yaml"
    rule.write_text(rule.read_text().replace("value: 2,", "value: 3,"))
    assert "| `days_left` | 3 | days | 0 | 21 |" in written(EMPTY, desk)
    assert "| `days_left` | 3 | days | 0 | 21 |" not in DOCUMENT.read_text()


def test_an_extra_rule_that_a_desk_lists_stays_in_its_own_chapter(desk: Path) -> None:
    bundle = desk / "rules" / "bundle.yaml"
    bundle.write_text(bundle.read_text().replace("rules:\n", "rules:\n  - extra/earnings_exit.yaml\n"))
    assert written(EMPTY, desk).split("<!-- rules extra -->")[0].count("### ") == 12


def test_a_document_without_the_chapters_is_refused() -> None:
    with pytest.raises(V6Error, match=r"has the chapters \['twelve'\]"):
        written("<!-- rules twelve -->\n<!-- end of rules -->\n", ROOT)


@pytest.mark.parametrize(
    ("text", "error"),
    [("- 1\n", "is no mapping of keys"), ("a: 1\na: 2\n", "rules/time_exit.yaml:2:1: duplicate-key")],
)
def test_a_rule_that_cannot_be_read_is_named(desk: Path, text: str, error: str) -> None:
    (desk / "rules" / "time_exit.yaml").write_text(text)
    with pytest.raises(V6Error, match=error):
        written(EMPTY, desk)
