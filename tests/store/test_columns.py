from v6.store.columns import turned


def test_rows_that_name_every_column_are_turned() -> None:
    rows = [{"a": 1, "b": 2}, {"b": 4, "a": 3}]
    assert [list(cells) for cells in turned(["a", "b"], rows)] == [[1, 3], [2, 4]]


def test_what_a_row_does_not_name_is_missing() -> None:
    rows = [{"a": 1, "b": 2}, {"b": 4}, {"c": 5, "d": 6}]
    assert [list(cells) for cells in turned(["a", "b"], rows)] == [[1, None, None], [2, 4, None]]


def test_as_many_other_names_do_not_pass_for_all_columns() -> None:
    assert [list(cells) for cells in turned(["a", "b"], [{"a": 1, "x": 9}])] == [[1], [None]]


def test_without_rows_every_column_is_empty() -> None:
    assert [list(cells) for cells in turned(["a", "b"], [])] == [[], []]
