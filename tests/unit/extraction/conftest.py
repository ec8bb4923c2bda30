"""What the tests of the extraction share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from metastudio.extraction.types import ExtractionSettings

from tests.support.reader import MakeReader, Reader
from tests.support.tenant import START, Tenant


@pytest.fixture
def make_reader() -> Iterator[MakeReader]:
    readers: list[Reader] = []

    def make(**options: Any) -> Reader:
        readers.append(Reader(Tenant(**options), ExtractionSettings(start_date=START)))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()
