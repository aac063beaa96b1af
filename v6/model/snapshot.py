"""What the desk knew at one moment, in the shape the rules read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from v6.model.catalogue import FIELDS, INDEX, Scope, Value

PORTFOLIO_KEY = ""
"""Row key of the portfolio itself; every other key is a position_id."""


@dataclass(frozen=True, slots=True)
class Row:
    """The inputs of one evaluation: `values` is aligned with `catalogue.FIELDS`."""

    key: str
    values: tuple[Value, ...]

    @classmethod
    def of(cls, key: str, fields: Mapping[str, Value]) -> Row:
        """Build a row from names; what is not named is missing."""
        if not fields.keys() <= INDEX.keys():
            raise KeyError(f"not in the catalogue: {sorted(fields.keys() - INDEX.keys())}")
        return cls(key, tuple(map(fields.get, INDEX)))

    def completed(self) -> Row:
        """Return the row with a value for each field: one recorded before fields were appended misses the new ones.

        Raises ValueError for a row that has more values than the catalogue has fields.
        """
        lacking = len(FIELDS) - len(self.values)
        if lacking < 0:
            raise ValueError(f"a row of {len(self.values)} values, and the catalogue has {len(FIELDS)} fields")
        return self if lacking == 0 else Row(self.key, self.values + (None,) * lacking)

    @property
    def scope(self) -> Scope:
        return Scope.PORTFOLIO if self.key == PORTFOLIO_KEY else Scope.POSITION

    def __getitem__(self, name: str) -> Value:
        return self.values[INDEX[name]]

    def items(self) -> Iterator[tuple[str, Value]]:
        for field, value in zip(FIELDS, self.values, strict=True):
            yield field.name, value


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows of one cycle: the portfolio's first, then one per open position in order of position_id."""

    snapshot_id: str
    cycle: int
    ts: datetime
    rows: tuple[Row, ...]

    def completed(self) -> Snapshot:
        """Return the snapshot with each row completed; raises ValueError."""
        if all(len(row.values) == len(FIELDS) for row in self.rows):
            return self
        return replace(self, rows=tuple(row.completed() for row in self.rows))

    def row(self, key: str) -> Row:
        for row in self.rows:
            if row.key == key:
                return row
        raise KeyError(key)
