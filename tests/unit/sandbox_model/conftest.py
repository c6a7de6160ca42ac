"""The reference model's own file, fetched once and kept in the product's cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.sandbox.model.edition import FEATURES
from tocsin.sandbox.model.repository import convert

from tests.measurements.model import reference_wheel


@pytest.fixture(scope="session")
def wheel() -> Path:
    return reference_wheel()


@pytest.fixture(scope="session")
def converted(wheel: Path) -> bytes:
    return convert(wheel)


@pytest.fixture(scope="session")
def featured(wheel: Path) -> bytes:
    return convert(wheel, FEATURES)
