"""Each `*.bad.yaml` holds one mistake and, at its end, exactly the diagnostics that it gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lang.desks import desk
from v6.errors import ConfigError
from v6.rules import load_texts

FILES = sorted((Path(__file__).parent / "bad").glob("*.bad.yaml"))


def files_of(text: str) -> dict[str, str]:
    kind = text.splitlines()[0].removeprefix("# file: ")
    return {"rule": desk(text), "limits": desk(limits=text), "strategy": desk(strategy=text)}[kind]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name.removesuffix(".bad.yaml"))
def test_a_mistake_gives_exactly_its_diagnostics(path: Path) -> None:
    text = path.read_text()
    expected = [line.removeprefix("# expect: ") for line in text.splitlines() if line.startswith("# expect: ")]
    assert expected
    with pytest.raises(ConfigError) as caught:
        load_texts(files_of(text))
    assert [str(d).split(":", 1)[1] for d in caught.value.diagnostics] == expected


def test_there_are_many_mistakes() -> None:
    assert len(FILES) > 60
