"""What the chart makes is what a reviewer has seen."""

from __future__ import annotations

import pytest

from tests.deploy.chart.golden import FOLDER, GOLDEN


@pytest.mark.parametrize("name", GOLDEN)
def test_a_change_of_what_is_installed_is_seen(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == GOLDEN[name](), "look, then run .venv/bin/python -m tests.deploy.chart.golden"


def test_no_golden_render_is_left_over() -> None:
    assert {file.name for file in FOLDER.iterdir()} == GOLDEN.keys()
