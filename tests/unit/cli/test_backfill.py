"""`tocsin backfill` refuses what makes no sense before it asks anybody, and says how long things take."""

from __future__ import annotations

import pytest
from tocsin.cli.backfill_output import long
from tocsin.cli.commands import app
from typer.testing import CliRunner


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--where", "patient.name=X"), "who a patient is"),
        (("--where", "encounter.patient.family=X"), "who a patient is"),
        (("--where", "_count=5"), "--where '_count=5' is not a search parameter of Media and its value, NAME=VALUE, for example"),
        (("--where", "device"), "--where 'device' is not"),
        (("--site", "left arm"), "--site 'left arm' is not a code or system|code"),
        (("--modality", "D,MS"), "--modality 'D,MS' is not a code"),
        (("--from", "March"), "not a day like"),
        (("--from", "2026-03-02", "--to", "2026-03-01"), "created_to is before created_from"),
        (("--per-second", "0"), "0.01"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_the_reason(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["backfill", "start", *arguments, "--yes"], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (119, "119 seconds"), (150, "2.5 minutes"), (9000, "2.5 hours"), (216_000, "2.5 days")],
)
def test_a_length_of_time_is_told_in_the_unit_that_a_person_would_take(seconds: float, text: str) -> None:
    assert long(seconds) == text
