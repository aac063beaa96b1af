import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.report.sample import BEGIN, sample
from v6.report import Chart, Column, Heatmap, Histogram, Line, Link, Page, Prose, Table, Unit, render


class Reader(HTMLParser):
    """Collects the tags with their attributes, and what is open at the end."""

    void = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, name: str) -> list[str]:
        return [value for _, attrs in self.tags for key, value in attrs.items() if key == name and value is not None]


def test_every_tag_is_closed_where_it_should_be() -> None:
    assert Reader(render(sample())).open == []


def test_nothing_is_fetched_from_anywhere() -> None:
    text = render(sample())
    page = Reader(text)
    assert page.all("src") == []
    assert all(href.startswith("#") for href in page.all("href"))
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_every_link_has_its_anchor_once() -> None:
    page = Reader(render(sample()))
    anchors = page.all("id")
    assert len(anchors) == len(set(anchors))
    assert {href[1:] for href in page.all("href")} <= set(anchors)


def test_text_is_text_wherever_it_stands() -> None:
    evil = "</script><script>alert(1)</script>"
    chart = Chart(evil, (BEGIN,), (Line(evil, (1.0,)),))
    table = Table(evil, (Column(evil),), ((evil,), (Link(evil, '#"onclick="x'),)))
    text = render(Page(evil, evil, sections=(chart, table, Prose(evil, (evil,), evil)), foot=(evil,)))
    plain = render(Page("a", sections=(replace(chart, title="a", lines=(Line("a", (1.0,)),)),)))
    assert text.count("<script") == plain.count("<script")
    assert "alert(1)</script>" not in text
    assert Reader(text).all("onclick") == []


def test_the_same_page_gives_the_same_bytes() -> None:
    assert render(sample()) == render(sample())


def test_missing_is_a_dash_and_a_gap_but_never_a_zero() -> None:
    table = Table("t", (Column("n", Unit.USD),), ((None,),))
    chart = Chart("c", (BEGIN, date(2014, 1, 3)), (Line("x", (None, 2.0)),))
    text = render(Page("p", sections=(table, chart)))
    assert re.search(r'<td data-order="" class="muted number">–</td>', text)
    drawn = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', text)[0])
    assert drawn["panes"][0]["lines"][0]["values"] == [None, 2.0]


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        (Chart("c", (BEGIN,), (Line("x", (float("nan"),)),)), "no number"),
        (Chart("c", (BEGIN,), (Line("x", (1.0, 2.0)),)), "2 values for 1 times"),
        (Chart("c", (BEGIN, BEGIN), (Line("x", (1.0, 2.0)),)), "must rise"),
        (Table("t", (Column("n", Unit.USD),), ((float("inf"),),)), "no number"),
        (Table("t", (Column("n"),), (("a", "b"),)), "longer"),
        (Heatmap("h", "x", "y", ("1",), ("1",), ((1.0, 2.0),)), "1 rows of 1"),
        (Histogram("h", (0.0, 1.0), (1, 2)), "2 edges for 2 counts"),
    ],
)
def test_what_cannot_be_shown_rightly_is_refused(section: Chart | Table | Heatmap | Histogram, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        render(Page("p", sections=(section,)))


def test_a_chart_says_in_words_what_it_shows() -> None:
    days = (date(2014, 1, 2), date(2014, 1, 3), date(2014, 1, 6))
    chart = Chart("c", days, (Line("desk", (100.0, 50.0, 75.0)),), below=(Line("d", (0.0, -0.5, -0.25)),))
    words = "desk: from $100 on 2014-01-02 to $75 on 2014-01-06; highest $100 on 2014-01-02, lowest $50 on 2014-01-03."
    text = render(Page("p", sections=(chart,)))
    assert f"<figcaption>{words} Lowest drawdown −50.0 % on 2014-01-03.</figcaption>" in text


def test_empty_sections_say_so() -> None:
    text = render(
        Page("p", sections=(Table("t", (Column("n"),), (), empty="No trade."), Histogram("h", (0, 1), (0,))))
    )
    assert "No trade." in text
    assert "Nothing counted." in text


# -- in a real browser ------------------------------------------------------------------------------------------------


def test_the_browser_runs_the_page_without_a_complaint_or_a_request(
    browse: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text(render(sample()))
    document = browse(tmp_path / "report.html", tmp_path / "profile")
    assert 'data-ready="yes"' in document, "the script ran to its end"
    assert document.count("<canvas") == 2, "equity, and drawdown under it"
    heads = re.findall(r'<th scope="col"[^>]*><button type="button">', document)
    assert len(heads) == 4, "each column can be sorted by"


def test_a_link_to_a_folded_trace_opens_it(browse: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(render(sample()))
    document = browse(tmp_path / "report.html", tmp_path / "profile", fragment="#trace-1")
    assert re.search(r'<details id="trace-1"[^>]* open=""', document)


def test_sorting_puts_the_greatest_first_and_what_is_missing_last(browse: Callable[..., str], tmp_path: Path) -> None:
    click = "<script>document.querySelectorAll('.sortable th button')[COLUMN].click()</script></body>"
    for column, order in ((2, ["P3", "P&lt;2&gt;", "P1"]), (3, ["P1", "P&lt;2&gt;", "P3"])):
        page = tmp_path / f"{column}.html"
        page.write_text(render(sample()).replace("</body>", click.replace("COLUMN", str(column))))
        document = browse(page, tmp_path / f"profile{column}")
        body = document[document.index("<tbody>", document.index("Worst trades</h2>")) :]
        body = body[: body.index("</tbody>")]
        assert re.findall(r">(P\d|P&lt;2&gt;)<", body) == order
