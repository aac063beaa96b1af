"""docs/ib-failures.md maps each failure to its tests; a name that is no test, or a row without one, is found here."""

import re

import pytest

from tests.conftest import ROOT

TABLE = (ROOT / "docs/ib-failures.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| failure"))
]
NAMED = re.compile(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`")
WITHOUT_TEST: set[str] = set()
"""Rows whose behaviour is not tested or not built; the list may only get shorter."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_test_that_a_row_names_exists(row: list[str]) -> None:
    failure, behaviour, tests = row
    assert behaviour
    named = NAMED.findall(tests)
    assert re.sub(NAMED, "", tests).strip() == ("" if named else "none yet"), "one test after the other, nothing else"
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text(), f"{file} has no {test}"
    assert bool(named) != (failure in WITHOUT_TEST)


def test_the_table_is_whole() -> None:
    assert len(ROWS) >= 48
    assert len({row[0] for row in ROWS}) == len(ROWS)
