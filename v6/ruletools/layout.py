"""The canonical layout of a file's nodes: order of keys, indents, spaces, widths; comments stay where they belong."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

from v6.errors import Span
from v6.lang import source
from v6.lang.ast import Expr
from v6.ruletools.comments import Notes, is_flow
from v6.ruletools.spelling import WIDTH as EXPRESSION_WIDTH
from v6.ruletools.spelling import Aggregate, spell, spell_lines

WIDTH: Final = 119
INDENT: Final = 2

Expressions = Mapping[Span, Aggregate | Expr]
"""Parsed expressions by the place of their scalar."""

_WORDS: Final[dict[str, Any]] = {"break_long_words": False, "break_on_hyphens": False}

_AS_WRITTEN: Final = frozenset({"given", "series", "params", "track"})
"""The names in these are the author's to order."""


class Layout:
    """Writes one file: `schema` gives the order of keys, `expressions` what is spelled by its meaning."""

    def __init__(self, text: str, notes: Notes, schema: Mapping[str, Any], expressions: Expressions) -> None:
        self._source = text.split("\n")
        self._notes = notes
        self._schema = schema
        self._expressions = expressions

    def text(self, root: source.Mapping) -> str:
        """Return the whole file, whose root is a block."""
        head = self._own_lines(self._notes.above.get(root.entries[0].key_span, []), 0)
        body = self._mapping(root, 0, self._schema, headed=True)
        # The key that comes first now may bring a blank line of its own.
        lines = [*head, *(_without_blanks(body) if head and not head[-1] else body)]
        return "\n".join(lines).strip("\n") + "\n"

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _mapping(
        self, node: source.Mapping, indent: int, schema: Mapping[str, Any], *, headed: bool = False
    ) -> list[str]:
        """Return the lines of a block mapping; with `headed` what stands above its first key is written elsewhere."""
        lines: list[str] = []
        pad = " " * indent
        for entry in _ordered(node, schema):
            above = self._notes.above.get(entry.key_span, [])
            if headed and entry is node.entries[0]:
                above = []
            written = self._own_lines(above, indent)
            lines += written if lines or headed else _without_blanks(written)
            body = self._value(entry.value, f"{pad}{entry.key}:", indent, _below(schema, entry.key))
            lines += self._with_comment(body, entry.key_span, entry.value)
        return lines + self._own_lines(self._notes.below.get(node.span, []), indent)

    def _sequence(self, node: source.Sequence, indent: int, schema: Mapping[str, Any]) -> list[str]:
        lines: list[str] = []
        pad = " " * indent
        inner = schema.get("items", {})
        for item in node.items:
            written = self._own_lines(self._notes.above.get(item.span, []), indent)
            lines += written if lines else _without_blanks(written)
            if isinstance(item, source.Mapping) and not self._fits(item, indent + 2):
                block = not is_flow(self._source, item)
                body = self._mapping(item, indent + INDENT, inner, headed=block)
                while body[0].lstrip().startswith("#"):
                    # The key that comes first now had a comment above it; that stands above the dash.
                    lines.append(f"{pad}{body.pop(0).lstrip()}")
                body[0] = f"{pad}- {body[0].lstrip()}"
                lines += body if block else self._with_comment(body, item.span, item)
            elif isinstance(item, source.Scalar) or self._fits(item, indent + 2):
                lines += self._with_comment(self._value(item, f"{pad}-", indent, inner), item.span, item)
            else:
                assert isinstance(item, source.Sequence)
                body = self._sequence(item, indent + INDENT, inner)
                lines += [f"{pad}- {body[0].lstrip()}", *body[1:]]
        return lines + self._own_lines(self._notes.below.get(node.span, []), indent)

    def _value(self, node: source.Node, head: str, indent: int, schema: Mapping[str, Any]) -> list[str]:
        """Return `head` with the value behind it or below it."""
        if isinstance(node, source.Scalar):
            return self._scalar(node, head, indent)
        if self._fits(node, len(head) + 1):
            return f"{head} {self._flow(node, schema)}".split("\n")
        below = " " * (indent + INDENT)
        if isinstance(node, source.Mapping):
            return [head, *self._mapping(node, len(below), schema)]
        return [head, *self._sequence(node, len(below), schema)]

    def _fits(self, node: source.Node, column: int) -> bool:
        """Tell whether a collection goes on one line: it was written so, or is empty, and there is room."""
        if isinstance(node, source.Scalar) or not is_flow(self._source, node):
            return False
        if node.span in self._notes.verbatim or not _children(node):
            return True
        return column + len(self._flow(node, {})) <= WIDTH

    # -- one line --------------------------------------------------------------------------------------------------

    def _flow(self, node: source.Node, schema: Mapping[str, Any]) -> str:
        if node.span in self._notes.verbatim:
            return self._notes.verbatim[node.span]
        match node:
            case source.Scalar():
                return self._inline(node)
            case source.Sequence(items=items):
                return f"[{', '.join(self._flow(item, schema.get('items', {})) for item in items)}]"
            case source.Mapping():
                parts = (f"{e.key}: {self._flow(e.value, _below(schema, e.key))}" for e in _ordered(node, schema))
                return f"{{{', '.join(parts)}}}"

    def _inline(self, node: source.Scalar) -> str:
        expression = self._expressions.get(node.span)
        if expression is not None:
            return _plain_or_quoted(_spelled(expression), "{{k: {}}}")
        if node.raw and "\n" not in node.raw:
            return node.raw
        return "null" if node.value is None else json.dumps(node.value, ensure_ascii=False)

    # -- scalars ---------------------------------------------------------------------------------------------------

    def _scalar(self, node: source.Scalar, head: str, indent: int) -> list[str]:
        expression = self._expressions.get(node.span)
        if expression is not None:
            return _expression_lines(expression, head, indent)
        if node.block:
            return self._block(node, head, indent)
        if node.raw and "\n" not in node.raw:
            return [f"{head} {node.raw}"]
        if not isinstance(node.value, str):
            return [f"{head} null"]
        return _prose(node.value, head, indent)

    def _block(self, node: source.Scalar, head: str, indent: int) -> list[str]:
        first, *body = node.raw.rstrip().split("\n")
        margin = min((len(line) - len(line.lstrip()) for line in body if line.strip()), default=0)
        pad = " " * (indent + INDENT)
        written = [f"{pad}{line[margin:].rstrip()}" if line.strip() else "" for line in body]
        return [f"{head} {first.split('#')[0].rstrip()}", *written]

    # -- comments --------------------------------------------------------------------------------------------------

    def _own_lines(self, lines: Sequence[str], indent: int) -> list[str]:
        return [f"{' ' * indent}{line}" if line else "" for line in lines]

    def _with_comment(self, body: list[str], span: Span, value: source.Node) -> list[str]:
        """Put the comment that stood behind a key behind it again, in its old column if there is room."""
        if span not in self._notes.behind:
            return body
        comment, column = self._notes.behind[span]
        place = len(body) - 1 if value.span in self._notes.verbatim else 0
        line = body[place]
        body[place] = f"{line}{' ' * max(2, column - len(line))}{comment}"
        return body


def _children(node: source.Node) -> tuple[object, ...]:
    match node:
        case source.Mapping(entries=entries):
            return entries
        case source.Sequence(items=items):
            return items
        case source.Scalar():
            return ()


def _ordered(node: source.Mapping, schema: Mapping[str, Any]) -> list[source.Entry]:
    known = {} if schema.get("x-order") == "author" else schema.get("properties", {})
    rank = {key: place for place, key in enumerate(known)}
    return sorted(node.entries, key=lambda entry: rank.get(entry.key, len(rank)))


def _below(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the schema of a key's value."""
    more = schema.get("additionalProperties")
    inner = schema.get("properties", {}).get(key) or (more if isinstance(more, dict) else {})
    return {**inner, "x-order": "author"} if key in _AS_WRITTEN else inner


def _without_blanks(lines: list[str]) -> list[str]:
    start = next((place for place, line in enumerate(lines) if line), len(lines))
    return lines[start:]


def _spelled(expression: Aggregate | Expr) -> str:
    return expression.spelled() if isinstance(expression, Aggregate) else spell(expression)


def _plain_or_quoted(text: str, frame: str) -> str:
    """Return the text as it may stand in the frame: plain where YAML reads it back as it is, else in quotes."""
    node = source.read("", frame.format(text))
    if isinstance(node, source.Mapping) and len(node.entries) == 1 and source.plain(node.entries[0].value) == text:
        return text
    return json.dumps(text)


def _prose(text: str, head: str, indent: int) -> list[str]:
    """Return a text that was written on several lines, on one if it fits."""
    line = f"{head} {_plain_or_quoted(text, 'k: {}')}"
    if len(line) <= WIDTH or text.split() != text.split(" "):
        return [line]
    pad = " " * (indent + INDENT)
    return [f"{head} >-", *textwrap.wrap(text, WIDTH, initial_indent=pad, subsequent_indent=pad, **_WORDS)]


def _expression_lines(expression: Aggregate | Expr, head: str, indent: int) -> list[str]:
    text = _spelled(expression)
    if len(head) + 1 + len(text) <= EXPRESSION_WIDTH or isinstance(expression, Aggregate):
        return [f"{head} {_plain_or_quoted(text, 'k: {}')}"]
    lines = spell_lines(expression, indent + INDENT)
    return [f"{head} >", *(f"{' ' * (indent + INDENT)}{line}" for line in lines)]
