"""YAML text to nodes with places, in the strict subset a desk's files are written in.

The tree is built from parser events on an explicit stack, so that hostile nesting meets a cap instead of the recursion
limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Final, TypeAlias

import yaml

from v6.errors import Diagnostic, Span

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 20
MAX_NODES: Final = 1200
"""Five times what the largest shipped file has; PyYAML needs 20 microseconds for each."""
MAX_KEYS: Final = 120
"""Of one mapping; more than the catalogue has fields."""

Plain: TypeAlias = "str | float | int | bool | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf; `raw` is its source text from `span` on, by which a place inside the value is found."""

    value: str | float | int | bool | None
    span: Span
    raw: str = ""
    block: bool = False

    def at(self, offset: int) -> Span:
        """Return the place of the value's character `offset`, exact unless the scalar uses escapes."""
        if not isinstance(self.value, str):
            return self.span
        start = self.raw.find("\n") + 1 if self.block else 0
        position = start
        # Folding changes blanks only, so the other characters come in the same order in the source.
        for wanted in self.value[: offset + 1]:
            if wanted.isspace():
                continue
            found = self.raw.find(wanted, position)
            if found < 0:
                return self.span
            position = found + 1
        before = self.raw[: max(position - 1, 0)]
        newline = before.rfind("\n")
        if newline < 0:
            return Span(self.span.file, self.span.line, self.span.column + len(before))
        return Span(self.span.file, self.span.line + before.count("\n"), len(before) - newline)


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    key_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: tuple[Entry, ...]
    span: Span

    def get(self, key: str) -> Node | None:
        return next((e.value for e in self.entries if e.key == key), None)

    def key_span(self, key: str) -> Span:
        return next((e.key_span for e in self.entries if e.key == key), self.span)


Node: TypeAlias = Scalar | Sequence | Mapping


def plain(node: Node) -> Plain:
    """Return the node as ordinary Python values."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(entries=entries):
            return {e.key: plain(e.value) for e in entries}


class _Refused(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(str(diagnostic))


@dataclass(slots=True)
class _Frame:
    """A collection being read; `key` waits for its value."""

    span: Span
    mapping: bool
    items: list[Node]
    entries: list[Entry]
    key: Scalar | None = None
    keys: dict[str, Span] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """The parser, which looks at every open bracket again for each token: quadratic in how deep they are nested."""

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level >= MAX_DEPTH:
            raise _TooDeep(self.line, self.column)
        super().fetch_flow_collection_start(TokenClass)


class _TooDeep(Exception):
    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        super().__init__()


def read(file: str, text: str) -> Node | Diagnostic:
    """Return the root node of one YAML document, or the first reason why it is refused."""
    try:
        if len(text.encode("utf-8", errors="surrogatepass")) > MAX_BYTES:
            raise _refuse(Span(file, 1, 1), "too-large", f"the file is larger than {MAX_BYTES // 1024} kB")
        return _Reader(file, text.removeprefix("\ufeff")).root()
    except _Refused as refused:
        return refused.diagnostic
    except _TooDeep as deep:
        return _refuse(Span(file, deep.line + 1, deep.column + 1), *_TOO_DEEP).diagnostic
    except yaml.reader.ReaderError as error:
        # Control characters; the reader knows the offset only.
        before = text[: error.position] if isinstance(error.position, int) else ""
        span = Span(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Diagnostic(span, "yaml", f"the file holds a character that YAML does not allow ({error.character!r})")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        span = Span(file, mark.line + 1, mark.column + 1) if mark else Span(file, 1, 1)
        parts = [part for part in (error.problem, error.context) if part]
        return Diagnostic(span, "yaml", " ".join(parts) or "not valid YAML")
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # PyYAML lets ValueError and OverflowError through for escapes outside Unicode.
        return Diagnostic(Span(file, 1, 1), "yaml", f"not valid YAML: {error}")


_TOO_DEEP: Final = ("too-deep", f"nested deeper than {MAX_DEPTH} levels")


def _refuse(span: Span, code: str, message: str, hint: str = "") -> _Refused:
    return _Refused(Diagnostic(span, code, message, hint))


class _Reader:
    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.nodes = 0
        self.stack: list[_Frame] = []
        self.result: Node | None = None

    def root(self) -> Node:
        documents = 0
        for event in yaml.parse(self.text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refuse(self._span(event), "yaml", "a file holds one document", "remove the second `---`")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                self._close()
        if self.result is None:
            raise _refuse(Span(self.file, 1, 1), "empty-file", "the file is empty")
        return self.result

    def _span(self, event: yaml.Event) -> Span:
        mark = event.start_mark
        return Span(self.file, mark.line + 1, mark.column + 1) if mark else Span(self.file, 1, 1)

    def _node(self, event: yaml.NodeEvent) -> None:
        span = self._span(event)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _refuse(span, "too-large", f"the file has more than {MAX_NODES} nodes")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _refuse(span, "anchor", "anchors and aliases are not allowed", "write the value out")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise _refuse(span, "tag", f"tags such as {event.tag!r} are not allowed", "remove the tag")
        if isinstance(event, yaml.ScalarEvent):
            start, end = event.start_mark, event.end_mark
            raw = self.text[start.index : end.index] if start and end else ""
            value = event.value if event.style else _resolve(event.value, span)
            self._add(Scalar(value, span, raw, event.style in ("|", ">")))
            return
        if len(self.stack) >= MAX_DEPTH:
            raise _refuse(span, *_TOO_DEEP)
        mapping = isinstance(event, yaml.MappingStartEvent)
        if self.stack and self.stack[-1].mapping and self.stack[-1].key is None:
            raise _refuse(span, "bad-key", "a key must be a plain word")
        self.stack.append(_Frame(span, mapping, [], []))

    def _close(self) -> None:
        frame = self.stack.pop()
        mapping = Mapping(tuple(frame.entries), frame.span)
        self._add(mapping if frame.mapping else Sequence(tuple(frame.items), frame.span))

    def _add(self, node: Node) -> None:
        if not self.stack:
            self.result = node
            return
        frame = self.stack[-1]
        if not frame.mapping:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._key(frame, node)
        else:
            frame.entries.append(Entry(str(frame.key.value), frame.key.span, node))
            frame.key = None

    def _key(self, frame: _Frame, node: Node) -> Scalar:
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            raise _refuse(node.span, "bad-key", "a key must be a word", "quote it if it looks like a number")
        if node.value == "<<":
            raise _refuse(node.span, "merge-key", "merge keys are not allowed", "write the keys out")
        if len(frame.keys) >= MAX_KEYS:
            raise _refuse(node.span, "too-large", f"there are more than {MAX_KEYS} keys here")
        first = frame.keys.setdefault(node.value, node.span)
        if first is not node.span:
            message = f"`{node.value}` is given twice, first at {first}"
            raise _refuse(node.span, "duplicate-key", message, "keep one of them")
        return node


_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_YAML_1_1_BOOL: Final = frozenset({"on", "off", "yes", "no", "y", "n"})
_INT: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SEXAGESIMAL: Final = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_OTHER_BASE: Final = re.compile(r"[-+]?(0[0-9]+|0[oO][0-7]+|0[xX][0-9a-fA-F]+|0[bB][01]+)")
_NON_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNDERSCORED: Final = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?")
_MAX_DIGITS: Final = 40


def _resolve(text: str, span: Span) -> str | float | int | bool | None:
    """Read a plain scalar by YAML 1.2's core schema; whatever YAML 1.1 reads differently is refused."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text.lower() in _YAML_1_1_BOOL:
        raise _refuse(
            span, "ambiguous", f"`{text}` is a boolean to some YAML readers", "write true or false, or quote it"
        )
    if _SEXAGESIMAL.fullmatch(text):
        raise _refuse(span, "ambiguous", f"`{text}` is a base-60 number to some YAML readers", "quote it")
    if _OTHER_BASE.fullmatch(text):
        raise _refuse(span, "ambiguous", f"`{text}` is read in different bases by YAML readers", "write it in decimal")
    if _UNDERSCORED.fullmatch(text):
        raise _refuse(span, "ambiguous", f"`{text}` is a number to some YAML readers", "write it without underscores")
    if _NON_FINITE.fullmatch(text):
        raise _refuse(span, "not-finite", f"`{text}` is not a finite number")
    if not _FLOAT.fullmatch(text):
        return text
    if len(text) > _MAX_DIGITS:
        raise _refuse(span, "too-long", f"a number has at most {_MAX_DIGITS} characters")
    if _INT.fullmatch(text):
        return int(text)
    number = float(text)
    if not isfinite(number):
        raise _refuse(span, "not-finite", f"`{text}` is not a finite number")
    return number
