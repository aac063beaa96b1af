from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from tests.store.samples import AT, decisions, intent, one_of_each, snapshot
from v6.errors import StoreError
from v6.model.catalogue import FIELDS, Kind
from v6.model.event import EVENT_TYPES, OrderIntended, OrderRepriced
from v6.store.columns import TableRow
from v6.store.tables import KINDS_OF, TABLES, arrow_table, rows_of


def only_row(name: str) -> TableRow:
    event = next(e for e in one_of_each() if type(e).__name__ == name)
    [(_, row)] = rows_of(7, event)
    return row


def test_every_event_belongs_to_exactly_one_table_but_that_a_position_has_legs() -> None:
    kinds = [kind for table, kinds in KINDS_OF.items() for kind in kinds if table != "legs"]
    assert sorted(kind.__name__ for kind in kinds) == sorted(EVENT_TYPES)
    assert KINDS_OF.keys() == TABLES.keys()


def test_no_column_is_named_twice() -> None:
    for name, schema in TABLES.items():
        assert len(set(schema.names)) == len(schema.names), name
        assert schema.names[:3] == ["seq", "ts", "date"]


def test_the_snapshot_table_has_the_catalogue_and_nothing_else() -> None:
    types = {Kind.NUMBER: pa.float64(), Kind.BOOL: pa.bool_(), Kind.ENUM: pa.string()}
    fields = list(TABLES["snapshots"])[6:]
    assert [(f.name, f.type) for f in fields] == [(f.name, types[f.kind]) for f in FIELDS]


def test_rows_name_only_columns_of_their_table() -> None:
    for event in one_of_each():
        for table, row in rows_of(1, event):
            assert row.keys() <= set(TABLES[table].names), (table, row.keys() - set(TABLES[table].names))


def test_every_column_is_filled_by_some_event() -> None:
    filled = {(table, name) for e in one_of_each() for table, row in rows_of(1, e) for name in row}
    assert filled == {(table, name) for table, schema in TABLES.items() for name in schema.names}


def test_a_missing_value_stays_missing_and_is_never_zero() -> None:
    [_, (table, row)] = rows_of(1, snapshot())
    assert (table, row["delta"], row["pnl"], row["vix"]) == ("snapshots", None, 0.1 + 0.2, None)
    column = arrow_table("snapshots", [row]).column("delta")
    assert column.to_pylist() == [None]


def test_a_snapshot_has_a_row_for_the_portfolio_and_one_for_each_position() -> None:
    rows = [row for _, row in rows_of(3, snapshot(2))]
    assert [(r["seq"], r["snapshot_id"], r["cycle"], r["key"]) for r in rows] == [(3, "s2", 2, ""), (3, "s2", 2, "p1")]


def test_a_decision_in_which_nothing_fired_is_a_row_too() -> None:
    quiet, fired = (row for _, row in rows_of(1, decisions()))
    assert (quiet["rule_id"], quiet["action"], quiet["fired"]) == (None, None, 0)
    assert (fired["action"], fired["urgency"], fired["fraction"], fired["fired"], fired["unknown"]) == (
        "reduce", "high", 0.5, 16, 1,
    )  # fmt: skip


def test_an_intent_is_told_in_full() -> None:
    row = only_row("OrderIntended")
    assert row["order_ref"] == "v6-i1"
    assert row["legs"] == "+1 SPXW 2014-04-04 1700P; -1 SPXW 2014-04-04 1725.5P"
    assert (row["limit_price"], row["worst_price"], row["state"], row["decision_id"]) == (-1.2, -1.05, "intent", "d1")


def test_a_reduction_tells_the_units_given_up_and_a_closing_none() -> None:
    assert (only_row("PositionReduced")["event"], only_row("PositionReduced")["quantity"]) == ("reduced", 1)
    assert (only_row("PositionClosed")["event"], only_row("PositionClosed")["quantity"]) == ("closed", None)


def test_times_are_utc_and_date_is_the_utc_day() -> None:
    row = only_row("FindingRaised")
    table = arrow_table("findings", [row])
    assert table.column("ts").to_pylist() == [AT]
    late = datetime(2014, 3, 3, 23, 30, tzinfo=UTC)
    [(_, row)] = rows_of(1, OrderRepriced(late, "v6-i1", intent().limit))
    assert row["date"] == date(2014, 3, 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_never_becomes_a_table(bad: float) -> None:
    [(_, row)] = rows_of(1, OrderIntended(AT, intent()))
    with pytest.raises(StoreError, match="table orders, column limit_price: NaN or infinity"):
        arrow_table("orders", [row, row | {"limit_price": bad}, row | {"limit_price": None}])


@pytest.mark.parametrize(
    ("column", "bad"), [("order_id", 2**70), ("limit_price", "1.2"), ("reason", 5), ("order_id", "x")]
)
def test_a_value_of_the_wrong_type_names_its_column(column: str, bad: object) -> None:
    with pytest.raises(StoreError, match=f"table orders, column {column}"):
        arrow_table("orders", [{column: bad}])  # type: ignore[dict-item]
