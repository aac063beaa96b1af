from v6.paper.meter import Meter


def test_fifty_messages_a_second_are_well_and_the_next_is_one_too_many() -> None:
    meter = Meter()
    for n in range(50):
        meter.message(1, 10.0 + n / 100)
    meter.message(1, 10.99, taken=False)
    meter.message(2, 10.99)
    meter.message(1, 11.9)
    assert (meter.pacing_errors, meter.messages_per_s_peak, meter.messages) == (1, 51, 53)


def test_the_longest_silence_is_between_two_words_or_since_the_last() -> None:
    meter = Meter()
    meter.begin([1, 2], 100.0)
    for at in (103.0, 110.0, 111.0):
        meter.told(1, at)
    meter.told(2, 104.0)
    assert meter.longest([1], 112.0) == 7.0
    assert meter.longest([1, 2], 112.0) == 8.0


def test_of_what_was_never_told_nothing_is_known() -> None:
    meter = Meter()
    meter.begin([1], 0.0)
    assert meter.longest([2], 5.0) is None
    assert meter.longest([], 5.0) is None


def test_the_peak_of_lines_stays() -> None:
    meter = Meter()
    for count in (3, 10, 4):
        meter.lines(count)
    assert meter.lines_peak == 10
