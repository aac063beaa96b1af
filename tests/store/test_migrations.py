from __future__ import annotations

import pyarrow as pa
import pytest

from v6.store.migrations import MIGRATIONS, schema_hash
from v6.store.tables import TABLES


def hashes() -> list[str]:
    """Return the hash of the tables after each migration, taking away what came later."""
    later: set[str] = set()
    found = []
    for migration in reversed(MIGRATIONS):
        found.append(schema_hash(frozenset(later)))
        later |= set(migration.added)
    return found[::-1]


def test_the_tables_are_what_the_migrations_say() -> None:
    """If this fails: a new column needs a Migration with the hash shown; anything else (a column that left or has
    another type) would change the meaning of rows already written and must be taken back.
    """
    assert [migration.schema_hash for migration in MIGRATIONS] == hashes()


def test_migrations_are_numbered_and_name_columns_there_are_once() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    added = [column for migration in MIGRATIONS for column in migration.added]
    assert len(set(added)) == len(added)
    assert set(added) <= {f"{table}.{name}" for table, schema in TABLES.items() for name in schema.names}


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema.append(pa.field("new", pa.string())),
        lambda schema: schema.remove(schema.get_field_index("text")),
        lambda schema: schema.set(schema.get_field_index("code"), pa.field("code", pa.int64())),
    ],
)
def test_any_change_of_a_column_changes_the_hash(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    before = schema_hash()
    assert callable(change)
    monkeypatch.setitem(TABLES, "findings", change(TABLES["findings"]))
    assert schema_hash() != before
    assert hashes() != [migration.schema_hash for migration in MIGRATIONS]


def test_the_order_of_columns_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    before = schema_hash()
    monkeypatch.setitem(TABLES, "findings", pa.schema(list(TABLES["findings"])[::-1]))
    assert schema_hash() == before
