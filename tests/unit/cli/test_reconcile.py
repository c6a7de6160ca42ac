"""`tocsin reconcile` refuses what makes no sense before it asks anybody."""

from __future__ import annotations

import pytest
from tocsin.cli.commands import app
from typer.testing import CliRunner


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "--since"), (("--since", "Monday"), "neither like 90m"), (("--since", "2999-01-01"), "is yet to come")],
)
def test_options_that_make_no_sense_are_refused_with_the_reason(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["reconcile", *arguments], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert done.exit_code == 2
    assert said in done.output
