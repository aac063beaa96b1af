from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v6.errors import Span
from v6.lang.canonical import show
from v6.lang.parse import parse_expression
from v6.model.catalogue import BY_NAME


def parsed(text: str) -> str:
    """Return the expression as it was understood, or the first mistake as `column: code (hint)`."""
    found = parse_expression(text, BY_NAME, lambda offset: Span("f", 1, offset + 1))
    if isinstance(found, list):
        return f"{found[0].span.column}: {found[0].code} ({found[0].hint})"
    return show(found)


@pytest.mark.parametrize(
    "text",
    [
        "pnl_ratio >= 0.5 and dte < 7 or vix > 35",
        "0 < dte <= 21",
        "pnl - (pnl - pnl) > 0",
        "pnl / (pnl * pnl) > 0",
        "not has(iv)",
        "abs(delta) > (0.3 if structure == 'iron_condor' else 0.4)",
        "clamp(vix, 10, 20) - min(vix, 15) > max(1, 2, 3) * -1",
        "pnl - (pnl - pnl) / (pnl / pnl) > 1e-09",
        "(pnl > 0) and not (dte < 1 or vix > 3)",
    ],
)
def test_an_expression_is_understood_as_written(text: str) -> None:
    assert parsed(parsed(text)) == parsed(text) == text.replace("(pnl > 0)", "pnl > 0")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("vix = 35", "5: syntax (write == to compare)"),
        ("vix ≥ 35", "5: syntax (write >=)"),
        ("vix > 35 # and dte < 3", "10: syntax (comments belong outside the expression)"),
        ("vix > 35; dte < 3", "9: syntax (write one expression)"),
        ("delta > 30%", "11: syntax (write 0.30 for 30 %)"),
        ("vix ** 2 > 1", "5: syntax (write the product out)"),
        ("vix // 2 > 1", "5: syntax (write /)"),
        ("vix.real > 1", "4: syntax (names have no attributes, and a number has one point)"),
        ("vix > 35 & dte < 3", "10: syntax (write and)"),
        ("vix > 1_000", "7: syntax ()"),
        ("vix > 0x10", "7: syntax ()"),
        ("vix > 1if dte > 1 else 2", "7: syntax ()"),
        ("vix > 3j", "7: syntax ()"),
        ("vix[0] > 1", "4: syntax ()"),
        ("(x := 3) > 1", "4: syntax ()"),
        ("vix > 1 or", "10: syntax ()"),
        ("", "1: syntax ()"),
        ("  \n ", "1: syntax ()"),
        ("vix > 1\x00", "8: syntax ()"),
        ("a) or (b", "2: syntax ()"),
        ("lambda: 1", "7: syntax ()"),
        ("lambda x: 1", "9: syntax ()"),
        ("vix, dte", "1: not-allowed ()"),
        ("vix in (1, 2)", "1: not-allowed (compare with == and `or`)"),
        ("vix is None", "1: not-allowed (compare with == and `or`)"),
        ("None == vix", "1: not-allowed (has(x) tests for missing)"),
        ("b'x' == structure", "1: not-allowed (has(x) tests for missing)"),
        ("f'x' == structure", "1: not-allowed ()"),
        ("+vix > 1", "1: not-allowed ()"),
        ("vixx > 1", "1: unknown-name (did you mean `vix`?)"),
        ("true or vix > 1", "1: unknown-name (write True)"),
        ("max > 1", "1: unknown-name (write max(...))"),
        ("round(vix) > 1", "1: unknown-function (the functions are abs, min, max, clamp, has)"),
        ("mx(vix, 1) > 1", "1: unknown-function (did you mean `max`?)"),
        ("vix(1)(2) > 1", "1: unknown-function (the functions are abs, min, max, clamp, has)"),
        ("max(vix) > 1", "1: arguments ()"),
        ("has() or vix > 1", "1: arguments ()"),
        ("abs(x=1) > 1", "6: syntax (write == to compare)"),
        ("vix > 1e13", "7: too-large ()"),
        ("vix > 1e999", "7: too-large ()"),
        ("vix > " + "9" * 400, "7: too-large ()"),
        ("vix > " + "9" * 1990, "7: too-large ()"),
        ("x" * 2001, "1: too-complex ()"),
        ("-" * 30 + "vix > 1", "20: too-complex (split the rule, or use fewer brackets)"),
        ("-" * 1900 + "vix > 1", "20: too-complex (split the rule, or use fewer brackets)"),
        ("vix > 1" + " or vix > 1" * 100, "727: too-complex (split the rule, or use fewer brackets)"),
    ],
)
def test_a_mistake_is_a_diagnostic_with_its_column(text: str, mistake: str) -> None:
    assert parsed(text) == mistake


def test_deep_brackets_are_refused_not_raised() -> None:
    assert "syntax" in parsed("(" * 900 + "vix" + ")" * 900)
    assert "too-complex" in parsed("not " * 490 + "True")


def test_every_unknown_name_is_reported() -> None:
    found = parse_expression("foo > 1 and bar > 2", BY_NAME, lambda offset: Span("f", 1, offset + 1))
    assert isinstance(found, list)
    assert [d.span.column for d in found] == [1, 13]


@given(st.text(alphabet=st.sampled_from("vix pnl()+-*/<>=!,.'\"01e9andotrif\n\x00≥{}[]:\\"), max_size=40))
def test_no_text_raises_or_warns(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parsed(text)
