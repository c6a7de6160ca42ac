"""A module is read in one sitting."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
LINES_MAX: Final = 400


@pytest.mark.parametrize("folder", ["services", "tests"])
def test_no_module_is_longer_than_400_lines(folder: str) -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in (ROOT / folder).rglob("*.py")}
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > LINES_MAX} == {}
