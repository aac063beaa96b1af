from __future__ import annotations

import pytest

from v6.errors import Diagnostic
from v6.lang import source
from v6.model.catalogue import BY_NAME, Value
from v6.ruletools.series import read_series


def series(field: str, yaml: str) -> list[Value] | list[Diagnostic]:
    root = source.read("t.yaml", f"s: {yaml}")
    assert isinstance(root, source.Mapping), root
    read = read_series(BY_NAME[field], root.entries[0].value)
    return read if isinstance(read, list) else list(read)


@pytest.mark.parametrize(
    ("field", "yaml", "values"),
    [
        ("pnl_ratio", "0.5", [0.5]),
        ("pnl_ratio", "0.1 0.2", [0.1, 0.2]),
        ("pnl_ratio", "0.1+0.1x2", [0.1, 0.2, 0.3]),
        ("pnl_ratio", "-0.1-0.1x1 .5", [-0.1, -0.2, 0.5]),
        ("vix", "5x3", [5.0, 5.0, 5.0, 5.0]),
        ("vix", "_ null _x2 20", [None, None, None, None, 20.0]),
        ("vix", "[14, null, 15.5]", [14.0, None, 15.5]),
        ("vix", "null", [None]),
        ("vix", "1e1x1", [10.0, 10.0]),
        ("structure", "iron_condorx1 single", ["iron_condor", "iron_condor", "single"]),
        ("structure", "[single, broken]", ["single", "broken"]),
    ],
)
def test_the_notation_means_what_promtool_means(field: str, yaml: str, values: list[Value]) -> None:
    assert series(field, yaml) == values


def test_steps_are_exact_in_decimals_so_that_a_threshold_is_met() -> None:
    assert series("pnl_ratio", "0.1+0.1x6")[-1] == 0.7
    assert 0.1 + 6 * 0.1 != 0.7


@pytest.mark.parametrize(
    ("field", "yaml", "place", "code", "hint"),
    [
        ("pnl_ratio", "0.1 0.2+0.1 0.3", "t.yaml:1:8", "bad-series", "0.1+0.05x8"),
        ("pnl_ratio", "0.1 up", "t.yaml:1:8", "bad-series", "0.1+0.05x8"),
        ("pnl_ratio", "true", "t.yaml:1:4", "bad-series", ""),
        ("structure", "iron_condor iron_cndor", "t.yaml:1:16", "bad-series", "did you mean `iron_condor`?"),
        ("dte", "30 _", "t.yaml:1:7", "not-nullable", ""),
        ("dte", "2-1x4", "t.yaml:1:4", "out-of-range", ""),
        ("vix", "20x2000", "t.yaml:1:4", "too-large", ""),
    ],
)
def test_a_mistake_has_its_place_and_a_hint(field: str, yaml: str, place: str, code: str, hint: str) -> None:
    (found,) = series(field, yaml)
    assert isinstance(found, Diagnostic)
    assert (str(found.span), found.code) == (place, code)
    assert hint in found.hint
