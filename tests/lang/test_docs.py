"""docs/rules.md says what the code does: its example loads, and its tables are the catalogue's."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.lang.desks import desk
from v6.lang.ast import Fold
from v6.lang.events import read_events
from v6.lang.schema import ACTIONS, schemas
from v6.model.catalogue import FIELDS, Field, Kind
from v6.model.upcoming import Earnings, NoDividend
from v6.rules import load_texts

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()


def test_the_example_in_the_docs_is_a_sound_rule() -> None:
    example, _ = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert load_texts(desk(example)).rules[0].id == "give_back"


def test_the_example_of_a_calendar_is_sound() -> None:
    _, example = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    calendar, diagnostics = read_events(example)
    assert diagnostics == []
    assert calendar is not None
    assert calendar.of("AAPL").earnings is Earnings.REPORTS
    assert calendar.of("BRK B").next_dividend(date(2026, 1, 5)) == NoDividend()


def test_the_docs_name_every_key_action_and_aggregate_of_a_rule() -> None:
    example, _ = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    keys = schemas()["rule"]["properties"].keys() - {"doc", "cooldown"}
    assert {key for key in keys if not re.search(rf"^{key}:", example, re.MULTILINE)} == set()
    for word in ("cooldown", *(kind.value for kinds in ACTIONS.values() for kind in kinds)):
        assert f"`{word}`" in TEXT
    for scope, kinds in ACTIONS.items():
        for kind in kinds:
            (row,) = re.findall(rf"^\| `{kind}` \| (\w+) \|", TEXT, re.MULTILINE)
            assert row in (scope.value, "both")
    for fold in Fold:
        assert f"`{fold}(x" in TEXT


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_the_docs_list_each_field(field: Field) -> None:
    unit = f"one of {', '.join(field.choices)}" if field.kind is Kind.ENUM else field.unit.value
    presence = "may be missing" if field.nullable else "always there"
    assert f"| `{field.name}` | {unit} | {presence} | {field.doc} |\n" in TEXT
