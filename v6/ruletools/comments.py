"""What a YAML file says besides its values: comments and blank lines, each tied to the key or item it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from v6.errors import Span
from v6.lang import source

Block = source.Mapping | source.Sequence


@dataclass(slots=True)
class Notes:
    """By the span of a key or item: lines above it and the comment behind it; by a block's span: lines at its end.

    A blank line is an empty string; several in a row are one. `verbatim` holds flow collections with comments inside.
    """

    above: dict[Span, list[str]] = field(default_factory=dict)
    behind: dict[Span, tuple[str, int]] = field(default_factory=dict)
    below: dict[Span, list[str]] = field(default_factory=dict)
    verbatim: dict[Span, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A key or item of a block collection, with the collections around it, innermost last."""

    span: Span
    around: tuple[Block, ...]


def read_notes(text: str, root: source.Node) -> Notes:
    """Return the notes of a file that `source.read` has read; lines must end with a line feed."""
    return _Reader(text, root).notes


def is_flow(text: list[str], node: source.Node) -> bool:
    """Tell whether a collection is written with brackets, given the file's lines."""
    return text[node.span.line - 1][node.span.column - 1 : node.span.column] in {"{", "["}


class _Reader:
    def __init__(self, text: str, root: source.Node) -> None:
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.text = text
        self.notes = Notes()
        self.inside: list[range] = []
        self.flows: list[tuple[source.Node, range]] = []
        self._scalars(root)
        self.anchors: list[_Anchor] = []
        self._anchors(root, ())
        self._attach(self._comments())

    def _offset(self, span: Span) -> int:
        return self.starts[span.line - 1] + span.column - 1

    def _scalars(self, node: source.Node) -> None:
        """Note the places in which `#` is a character like any other."""
        if isinstance(node, source.Scalar):
            start = self._offset(node.span)
            # The line of a block scalar's `>` may end with a comment.
            head = node.raw.find("\n") if node.block else 0
            self.inside.append(range(start + max(head, 0), start + len(node.raw.rstrip())))
            return
        children = node.items if isinstance(node, source.Sequence) else [entry.value for entry in node.entries]
        for child in children:
            self._scalars(child)

    def _is_inside(self, offset: int) -> bool:
        return any(offset in place for place in self.inside)

    def _anchors(self, node: source.Node, around: tuple[Block, ...]) -> None:
        if isinstance(node, source.Scalar):
            return
        if is_flow(self.lines, node):
            self.flows.append((node, self._flow(node)))
            return
        inner = (*around, node)
        if isinstance(node, source.Sequence):
            for item in node.items:
                self.anchors.append(_Anchor(item.span, inner))
                self._anchors(item, inner)
            return
        for entry in node.entries:
            self.anchors.append(_Anchor(entry.key_span, inner))
            self._anchors(entry.value, inner)

    def _flow(self, node: source.Node) -> range:
        start = self._offset(node.span)
        depth = 0
        for place in range(start, len(self.text)):
            character = self.text[place]
            if character not in "{[]}" or self._is_inside(place) or self._in_comment(place):
                continue
            depth += 1 if character in "{[" else -1
            if depth == 0:
                return range(start, place + 1)
        raise AssertionError("the reader accepts no open bracket")

    def _in_comment(self, offset: int) -> bool:
        line_start = self.text.rfind("\n", 0, offset) + 1
        return any(self._starts_comment(place) for place in range(line_start, offset))

    def _starts_comment(self, place: int) -> bool:
        if self.text[place] != "#" or self._is_inside(place):
            return False
        return place == 0 or self.text[place - 1] in " \t\n"

    def _comments(self) -> Iterator[tuple[int, int | None]]:
        """Yield each line that matters besides the values: its number, and the place of its comment (None: blank)."""
        for number, line in enumerate(self.lines):
            start = self.starts[number]
            found = next((i for i in range(start, start + len(line)) if self._starts_comment(i)), None)
            if found is not None:
                self.notes.comments.append(self.text[found : start + len(line)].rstrip())
                flow = next((node for node, place in self.flows if found in place), None)
                if flow is not None:
                    place = next(place for node, place in self.flows if node is flow)
                    self.notes.verbatim[flow.span] = self.text[place.start : place.stop]
                    continue
                yield number, found
            elif not line.strip() and not self._is_inside(start):
                yield number, None

    def _attach(self, comments: Iterator[tuple[int, int | None]]) -> None:
        waiting: dict[int, tuple[int, str]] = {}
        for number, found in comments:
            line, start = self.lines[number], self.starts[number]
            if found is None:
                waiting[number] = (0, "")
            elif line[: found - start].strip():
                anchor = [a for a in self.anchors if a.span.line <= number + 1][-1]
                self.notes.behind[anchor.span] = (line[found - start :].rstrip(), found - start)
            else:
                waiting[number] = (found - start + 1, line.strip())
        self._own_lines(waiting)

    def _own_lines(self, waiting: dict[int, tuple[int, str]]) -> None:
        previous: _Anchor | None = None
        first_on_line: dict[int, _Anchor] = {}
        for anchor in self.anchors:
            first_on_line.setdefault(anchor.span.line, anchor)
        boundaries: list[_Anchor | None] = [*first_on_line.values(), None]
        for following in boundaries:
            end = following.span.line - 1 if following else len(self.lines)
            begin = previous.span.line - 1 if previous else -1
            region = [waiting[n] for n in range(begin + 1, end) if n in waiting]
            if previous is not None:
                last = [a for a in self.anchors if a.span.line == previous.span.line][-1]
                region = self._below(region, last, following)
            if following is not None:
                self.notes.above[following.span] = _collapsed([text for _, text in region])
            previous = following

    def _below(
        self, region: list[tuple[int, str]], previous: _Anchor, following: _Anchor | None
    ) -> list[tuple[int, str]]:
        """Give comments that are indented like what came before to that block; return the rest."""
        taken = 0
        for i, (column, text) in enumerate(region):
            if not text:
                continue
            if following is not None and column <= following.around[-1].span.column:
                break
            block = next((b for b in reversed(previous.around) if b.span.column <= column), previous.around[0])
            if following is not None and block in following.around:
                break
            lines = self.notes.below.get(block.span, [])
            self.notes.below[block.span] = _collapsed([*lines, *(t for _, t in region[taken : i + 1])])
            taken = i + 1
        return region[taken:]


def _collapsed(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if line or not kept or kept[-1]:
            kept.append(line)
    return kept
