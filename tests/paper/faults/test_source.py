from pathlib import Path

import jsonschema
import pytest

from v6.paper.faults import Fault, FaultScript, FaultScriptError, load_script, parse_script
from v6.paper.faults.script import Act, When
from v6.paper.faults.source import SCHEMA

GOOD = """\
version: 1
seed: 7
faults:
  - id: late-fills
    when: {sent: execDetails, chance: 0.5, client: 3}
    do: {delay_s: 20}
  - id: night
    when: {at_s: 60}
    do: {outage: {seconds: 30, code: 1101}}
  - id: refused
    when: {asked: placeOrder, skip: 2, times: 1}
    do: {error: {code: 201, text: "no"}}
"""


def test_a_script_is_read_into_values() -> None:
    assert parse_script(GOOD) == FaultScript(
        7,
        (
            Fault("late-fills", When(sent=11, chance=0.5, client=3), Act.DELAY, 20.0),
            Fault("night", When(at_s=60), Act.OUTAGE, 30.0, 1101),
            Fault("refused", When(asked=3, skip=2, times=1), Act.ERROR, 0.0, 201, "no"),
        ),
    )


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("seed: 7", "sead: 7", "f:2:1: unknown key `sead`; known are version, seed, faults"),
        ("delay_s: 20", "delai_s: 20", "f:6:10: unknown key `delai_s`"),
        ("chance: 0.5", "chanse: 0.5", "f:5:31: unknown key `chanse`"),
        ("chance: 0.5", "chance: 1.5", "f:5:31: 1.5 is greater than the maximum of 1"),
        (
            "execDetails",
            "execDetail",
            "f:5:12: no message of the gateway is called 'execDetail'; did you mean execDetails?",
        ),
        ("delay_s: 20", "delay_s: 0", "f:6:10: 0 is less than or equal to the minimum of 0"),
        ("code: 1101", "code: 1100", "f:9:32: 1100 is not one of [1101, 1102]"),
        ("delay_s: 20", "error: {code: 201}", "f:6:10: `error` cannot be done when `sent`"),
        ("{asked: placeOrder, ", "{asked: placeOrder, at_s: 3, ", "f:11:5: give exactly one of sent, asked and at_s"),
        ("{at_s: 60}", "{at_s: 60, times: 2}", "f:8:5: `skip` and `times` count messages"),
        ("id: night", "id: late-fills", "f:4:5: the id `late-fills` is used more than once"),
        ("delay_s: 20", "rewrite: {prize: 1}", "f:6:20: `execDetails` has no field `prize`; its fields are reqId, "),
        ("delay_s: 20", "rewrite: {price: [1]}", "f:6:20: [1] is not of type 'string', 'number'"),
        ("seed: 7", "seed: 7\nseed: 8", "f:3:1: `seed` appears twice"),
        ("seed: 7", "seed: [7", "f:3:7: "),
        ("version: 1", "version: 2", "f:1:1: 1 was expected"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(old: str, new: str, problem: str) -> None:
    with pytest.raises(FaultScriptError) as trouble:
        parse_script(GOOD.replace(old, new, 1), "f")
    assert trouble.value.problems[0].startswith(problem)


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(FaultScriptError) as trouble:
        parse_script(GOOD.replace("sent", "send").replace("outage", "outrage"), "f")
    assert [p.split(": ")[0] for p in trouble.value.problems] == ["f:5:12", "f:9:10"]


@pytest.mark.parametrize(
    ("act", "problem"),
    [("rewrite: {lmtPrice: 1}", "its fields cannot be rewritten"), ("correct: 0.1", "only `execDetails` can be")],
)
def test_what_a_message_cannot_suffer_is_said(act: str, problem: str) -> None:
    with pytest.raises(FaultScriptError, match=problem):
        parse_script(GOOD.replace("execDetails", "openOrder").replace("delay_s: 20", act), "f")


def test_an_empty_file_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    for name in ("empty.yaml", "absent.yaml"):
        with pytest.raises(FaultScriptError, match=f"{name}:1:1: "):
            load_script(tmp_path / name)


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD)
    assert load_script(tmp_path / "f.yaml") == parse_script(GOOD)
