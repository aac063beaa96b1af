"""The document of fault scripts: its examples load, its words are all there are, the tests that it names exist."""

import re
from pathlib import Path

from tests.paper.faults import test_faults
from v6.paper.faults import parse_script
from v6.paper.faults.script import Act

DOC = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")


def test_its_examples_are_scripts() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    assert len(parse_script(example).faults) == 4


def test_it_explains_every_act() -> None:
    explained = set(re.findall(r"^\| `(\w+):", DOC, re.MULTILINE))
    assert explained == {act.value for act in Act}


def test_the_tests_that_it_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOC))
    assert len(named) > 15
    assert named <= set(vars(test_faults))
