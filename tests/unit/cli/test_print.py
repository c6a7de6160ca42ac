"""`tocsin print` refuses what makes no sense before it asks anybody, and says what it could not write."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from tocsin.cli import print as module
from tocsin.cli.commands import app
from typer.testing import CliRunner


@pytest.mark.parametrize(
    "words",
    [
        ("r1", "--pdf", "a.pdf", "--text"),
        ("r1", "--pdf", "a.pdf", "--folder", "d"),
        ("r1", "r2", "--pdf", "a.pdf"),
        ("r1", "r2"),
        ("Patient/p1", "--text"),
        ("../r1", "--text"),
        ("r1", "--text", "--time-zone", "Middle/Earth"),
        ("r1", "--text", "--language", "tlh"),
        ("r1", "--paper", "napkin"),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["print", *words]).exit_code == 2


def test_a_pdf_never_goes_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    with pytest.raises(typer.BadParameter, match="not for a terminal"):
        module.print_reports(["DiagnosticReport/r1"], pdf=Path("-"))


def test_a_file_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ending:
        module._write(tmp_path / "none" / "report.pdf", b"%PDF")
    assert ending.value.exit_code == 73
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
