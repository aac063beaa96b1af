"""A page as one HTML file: style, script and numbers inside it, nothing fetched."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from v6.report.drawing import drawn
from v6.report.page import Page

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"


def render(page: Page) -> str:
    """Return the page as HTML; raises ValueError for a number that is not finite or rows of unequal length."""
    sections = [drawn(section, place) for place, section in enumerate(page.sections, 1)]
    return _environment().get_template("page.html").render(page=page, sections=sections, **_assets())


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _assets() -> dict[str, Markup]:
    """Return what is written into the page unescaped: our own files and uPlot, never a value of the caller."""
    style = (_STATIC / "uPlot.min.css").read_text() + (_STATIC / "report.css").read_text()
    return {
        "style": Markup(style),
        "uplot": Markup((_STATIC / "uPlot.iife.min.js").read_text()),
        "script": Markup((_STATIC / "report.js").read_text()),
    }
