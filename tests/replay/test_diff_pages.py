"""A diff as others see it: Markdown in a pull request, a page, and both with hostile names in them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.lang.desks import RULE
from tests.replay.test_diff import TAKE_LESS, compared, made
from tests.replay.test_diff import store as store
from v6.replay.diff import Change, Diff
from v6.replay.diff_edits import Changed
from v6.replay.diff_html import html
from v6.replay.diff_markdown import LONGEST, SHOWN_CHANGES, escape, markdown
from v6.replay.diff_words import bars, caveats, dollars, summary

HOSTILE = "x`|<script>alert(1)</script>\n## @team [a](http://e.org) $x$ </details>"


@pytest.fixture(scope="module")
def diff(store: Path) -> Diff:
    return compared(store, made(RULE), made(TAKE_LESS))


def hostile(diff: Diff) -> Diff:
    """Return the diff with a name from a pull request that would be markup wherever it is not escaped."""
    assert diff.record is not None
    at = datetime(2024, 3, 4, tzinfo=UTC)
    change = Change(None, HOSTILE, HOSTILE, date(2024, 3, 4), 1, at, at)
    edits = replace(diff.edits, strategies=(Changed(HOSTILE, HOSTILE, None),))
    return replace(diff, new=HOSTILE, edits=edits, record=replace(diff.record, changes=(change,)))


def test_the_first_lines_say_what_matters(diff: Diff) -> None:
    lines = markdown(diff).splitlines()
    assert lines[0] == "### V6 diff: <code>old</code> → <code>new</code>"
    assert lines[2].startswith("**7 decisions change on 4 positions in 5 snapshots, 2024-03-04 to 2024-03-05; ")
    assert lines[4].startswith("| rule | edit | judgement | decisions |")
    assert lines[6].startswith("| <code>take&#95;profit</code> | <code>target: 0.5 ratio -&#62; 0.3 ratio</code> |")
    assert "| tighter, proven | -3 / +4 | 4 | 2 |" in lines[6]


def test_the_rest_is_folded_away_and_every_fold_is_closed(diff: Diff) -> None:
    text = markdown(diff)
    assert text.count("<details>") == text.count("</details>") == 3
    assert "With structure" not in text.split("<details>")[0]
    assert re.search(r"With pnl&#95;ratio=0\.\d+: old false, new true", text)


def test_every_table_has_as_many_cells_in_each_row(diff: Diff) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", markdown(hostile(diff)), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_nothing_from_outside_is_markup(diff: Diff) -> None:
    text = markdown(hostile(diff))
    assert "<script" not in text
    assert "`|" not in text
    assert "@team" not in text
    assert "\n## " not in text
    assert text.count("</details>") == text.count("<details>")
    page = html(hostile(diff))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_escaped_text_reads_as_before() -> None:
    shown = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), escape(HOSTILE))
    assert shown == HOSTILE.replace("\n", " ")


def test_a_diff_that_is_too_long_for_a_comment_says_what_is_left_out(diff: Diff) -> None:
    edit = diff.edits.rules[0]
    many = tuple(
        replace(edit, rule_id=f"rule{i}", texts=(Changed("when", "a" * 3000, "b" * 3000),)) for i in range(30)
    )
    text = markdown(replace(diff, edits=replace(diff.edits, rules=many)))
    assert len(text) < LONGEST + 500
    assert re.search(r"\d+ sections did not fit; `v6 diff --json` has all\.", text)
    assert text.count("<details>") == text.count("</details>")


def test_changed_decisions_are_listed_up_to_a_number(diff: Diff) -> None:
    assert diff.record is not None
    more = replace(diff.record, changes=diff.record.changes * 10)
    text = markdown(replace(diff, record=more))
    assert f"and {len(more.changes) - SHOWN_CHANGES} more" in text


class Balanced(HTMLParser):
    """Holds each end tag against the tag that is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(diff: Diff) -> None:
    page = html(diff)
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert parser.links == []
    assert "7 decisions change on 4 positions" in page
    assert "put_spread" not in page
    assert "█" in page


def test_what_is_unknown_is_said_and_not_zero(store: Path, diff: Diff) -> None:
    greedy = RULE.replace("value: 0.5", "value: 0.95").replace("pnl_ratio: 0.6", "pnl_ratio: 0.99")
    found = compared(store, made(RULE), made(greedy))
    assert "$ effect unknown on all 3 positions" in summary(found)
    assert found.record is not None
    assert any("held for longer than the record follows them" in text for text in caveats(found.record))
    assert (dollars(None), dollars(0.0), dollars(-12.345)) == ("unknown", "+$0.00", "-$12.35")
    assert diff.record is not None
    assert any(text.startswith("1 position lack") for text in caveats(diff.record))


def test_the_longest_bar_is_the_most_frequent_and_few_are_still_seen() -> None:
    drawn = list(bars(((0.0, 1.0, 1000), (1.0, 2.0, 1), (2.0, 3.0, 0))))
    assert [len(bar) for _, _, bar in drawn] == [24, 1, 0]
