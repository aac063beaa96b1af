from __future__ import annotations

from v6.daemon.clocks import Interval


def test_an_interval_passes_in_wall_time_and_none_is_always_over() -> None:
    wall = [100.0]
    interval = Interval(0.2, lambda: wall[0])
    found = []
    for step in (0.0, 0.1, 0.11, 0.1, 0.3):
        wall[0] += step
        found.append(interval.over())
    assert found == [True, False, True, False, True]
    assert [Interval(0.0, lambda: 0.0).over() for _ in range(3)] == [True] * 3
