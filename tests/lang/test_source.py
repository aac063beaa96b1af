from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v6.errors import Diagnostic
from v6.lang.source import MAX_BYTES, Mapping, Scalar, plain, read


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("a: &x 1", "f:1:4", "anchor"),
        ("a: *x", "f:1:4", "anchor"),
        ("<<: {a: 1}", "f:1:1", "merge-key"),
        ("a: !!int 3", "f:1:4", "tag"),
        ("a: !x {b: 1}", "f:1:4", "tag"),
        ("a: 1\nb: 2\na: 3", "f:3:1", "duplicate-key"),
        ("a: .nan", "f:1:4", "not-finite"),
        ("a: -.inf", "f:1:4", "not-finite"),
        ("a: 1e999", "f:1:4", "not-finite"),
        ("a: yes", "f:1:4", "ambiguous"),
        ("a: off", "f:1:4", "ambiguous"),
        ("on: 1", "f:1:1", "ambiguous"),
        ("a: 12:30", "f:1:4", "ambiguous"),
        ("a: 010", "f:1:4", "ambiguous"),
        ("a: 0o7", "f:1:4", "ambiguous"),
        ("a: 0x1F", "f:1:4", "ambiguous"),
        ("a: 1_000", "f:1:4", "ambiguous"),
        ("a: " + "9" * 5000, "f:1:4", "too-long"),
        ("[" * 5000, "f:1:21", "too-deep"),
        ("{a: " * 5000, "f:1:81", "too-deep"),
        ("- 1\n" * 5001, "f:1200:3", "too-large"),
        ("# " + "x" * MAX_BYTES, "f:1:1", "too-large"),
        ("1: x", "f:1:1", "bad-key"),
        ("? [a]\n: b", "f:1:3", "bad-key"),
        ("", "f:1:1", "empty-file"),
        ("a: 1\n---\nb: 2", "f:2:1", "yaml"),
        ("a: 'x", "f:1:6", "yaml"),
        ("a: 1\n\tb: 2", "f:2:1", "yaml"),
        ("a: \x00", "f:1:4", "yaml"),
        ('a: "\\UFFFFFFFF"', "f:1:1", "yaml"),
        ("".join(f"k{i}: 1\n" for i in range(121)), "f:121:1", "too-large"),
        ("a: " + "[ " * 21, "f:1:44", "too-deep"),
        ("a: b: c", "f:1:5", "yaml"),
    ],
)
def test_what_the_strict_subset_refuses(text: str, place: str, code: str) -> None:
    found = read("f", text)
    assert isinstance(found, Diagnostic)
    assert (str(found.span), found.code) == (place, code)


def test_a_duplicate_key_names_both_places() -> None:
    assert "first at f:1:1" in str(read("f", "a: 1\nb: 2\na: 3"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", 1),
        ("a: -0.5", -0.5),
        ("a: 1e3", 1000.0),
        ("a: 'yes'", "yes"),
        ("a: '010'", "010"),
        ("a: ~", None),
        ("a:", None),
        ("a: true", True),
        ("a: 5m", "5m"),
        ("\ufeffa: x", "x"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    node = read("f", text)
    assert not isinstance(node, Diagnostic)
    assert plain(node) == {"a": value}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: x > 1 or y", "f:1:13"),
        ("a: 'x > 1 or y'", "f:1:14"),
        ('a: "x > 1 or y"', "f:1:14"),
        ("a: x > 1\n   or y", "f:2:7"),
        ("a: >\n  x > 1\n  or y\n", "f:3:6"),
        ("a: |\n    x > 1 or\n     y\n", "f:3:6"),
        ("a: >- # y comes below\n  x > 1 or y", "f:2:12"),
    ],
)
def test_a_place_inside_a_scalar_is_found_in_every_style(text: str, place: str) -> None:
    root = read("f", text)
    assert isinstance(root, Mapping)
    node = root.get("a")
    assert isinstance(node, Scalar)
    assert isinstance(node.value, str)
    assert str(node.at(node.value.index("y"))) == place


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t\\0189.xeU\x00\x85\ud800"), max_size=60))
def test_no_text_raises(text: str) -> None:
    assert read("f", text) is not None
