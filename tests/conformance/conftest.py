from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_decoder_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A message that ib_async cannot read is only logged there; here it fails the test."""
    yield
    assert [r.getMessage() for r in caplog.get_records("call") if r.name == "ib_async.Decoder"] == []
