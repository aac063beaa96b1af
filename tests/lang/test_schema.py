from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from v6.lang.schema import schemas, write_schemas
from v6.model.catalogue import FIELDS

ROOT = Path(__file__).parents[2]


def test_the_schemas_in_the_repository_are_the_generated_ones(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert fresh == {path.name: path.read_text() for path in (ROOT / "schemas").iterdir()}


@pytest.mark.parametrize("kind", ["rule", "bundle", "limits", "strategy", "events"])
def test_each_schema_is_a_draft_7_schema(kind: str) -> None:
    Draft7Validator.check_schema(schemas()[kind])
    assert json.loads(json.dumps(schemas()[kind])) == schemas()[kind]


def test_an_editor_sees_every_field_with_its_unit() -> None:
    item = schemas()["rule"]["properties"]["examples"]["items"]
    given = item["properties"]["given"]["properties"]
    assert list(given) == [field.name for field in FIELDS]
    assert given["dte"]["description"].endswith("[days]")


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("rules/**/*.yaml")) + sorted(ROOT.glob("strategies/*.yaml")), ids=str
)
def test_an_editors_own_yaml_reader_accepts_the_shipped_files(path: Path) -> None:
    text = path.read_text()
    first = text.splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    schema = json.loads((path.parent / first.removeprefix(prefix)).read_text())
    Draft7Validator(schema).validate(yaml.safe_load(text))
