"""YAML with places: what a file says, and the line and column of each mistake in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import yaml

from v6.errors import V6Error

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the top of a file to a value."""


class Mistakes(V6Error):
    """A file with mistakes; `problems` are `file:line:col: text`, in the order of the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class Source:
    """A YAML text that was read, and where everything stands in it; raises Mistakes if it is not YAML."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        try:
            root = yaml.compose(text, yaml.SafeLoader)
            self.value: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as trouble:
            mark = trouble.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise Mistakes([f"{name}:{line}:{column}: {trouble.problem}"]) from trouble
        except ValueError as trouble:
            # PyYAML builds dates itself; 2019-02-31 has no mark.
            raise Mistakes([f"{name}:1:1: {trouble}"]) from trouble
        self._root = root
        self._marks = dict(_marks(root, ())) if root is not None else {}

    def refuse(self, found: Iterable[tuple[Place, str]]) -> None:
        """Raise Mistakes if there are any, keys that stand twice among them."""
        problems = sorted((self._nearest(place), said) for place, said in (*_repeated(self._root, ()), *found))
        if problems:
            raise Mistakes([f"{self._name}:{line}:{column}: {said}" for (line, column), said in problems])

    def _nearest(self, place: Place) -> tuple[int, int]:
        while place and place not in self._marks:
            place = place[:-1]
        return self._marks.get(place, (1, 1))


def read_text(path: Path) -> str:
    """Return the text of a file; Mistakes if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as trouble:
        raise Mistakes([f"{path}:1:1: cannot be read: {trouble}"]) from trouble


def broken(value: object, schema: Mapping[str, Any]) -> Iterator[tuple[Place, jsonschema.ValidationError, str]]:
    """Yield what a schema has against a value: the place, the finding, and a text that names unknown keys."""
    for trouble in jsonschema.Draft7Validator(schema).iter_errors(value):
        place: Place = tuple(trouble.absolute_path)
        if trouble.validator == "additionalProperties" and isinstance(trouble.instance, dict):
            known = trouble.schema["properties"] if isinstance(trouble.schema, dict) else {}
            for key in trouble.instance:
                if key not in known:
                    yield (*place, key), trouble, f"unknown key `{key}`; known are {', '.join(known)}"
        else:
            yield place, trouble, trouble.message


def _marks(node: yaml.Node, place: Place) -> Iterator[tuple[Place, tuple[int, int]]]:
    yield place, (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield from _marks(child, (*place, key.value))
            # The place of an entry is its key: that is where an unknown one is crossed out.
            yield (*place, key.value), (key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            yield from _marks(child, (*place, i))


def _repeated(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield keys that stand twice in one mapping, where YAML would take the last."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (((*place, key), f"`{key}` appears twice") for key in {k for k in keys if keys.count(k) > 1})
        for key, child in node.value:
            yield from _repeated(child, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            yield from _repeated(child, (*place, i))
