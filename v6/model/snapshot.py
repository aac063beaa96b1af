"""What the desk knew at one moment, in the shape the rules read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
        unknown = fields.keys() - INDEX.keys()
        if unknown:
            raise KeyError(f"not in the catalogue: {sorted(unknown)}")
        return cls(key, tuple(fields.get(f.name) for f in FIELDS))

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

    def row(self, key: str) -> Row:
        for row in self.rows:
            if row.key == key:
                return row
        raise KeyError(key)
