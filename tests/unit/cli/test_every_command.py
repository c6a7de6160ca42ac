"""Every command teaches by an example, says its exit codes, and ends quietly when its reader has seen enough."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.cli import app
from typer.testing import CliRunner

GROUP = "backfill"
COMMANDS = [str(each.name or getattr(each.callback, "__name__", "")) for each in app.registered_commands]
EVERY = [(each,) for each in COMMANDS] + [(GROUP, each) for each in ("start", "list", "show", "pause", "resume", "cancel")]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_commands_help_has_an_example_and_its_exit_codes(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0
    assert "Example" in done.output
    assert f"tocsin {' '.join(words)}" in done.output
    assert "Exit codes: 0" in done.output


@pytest.mark.parametrize("columns", ["60", "80"])
@pytest.mark.parametrize("words", [(), ("dead-letters",), ("demo",)], ids=" ".join)
def test_help_fits_a_narrow_terminal(words: tuple[str, ...], columns: str) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": columns, "TERMINAL_WIDTH": columns, "NO_COLOR": "1"})
    assert max(map(len, done.output.splitlines())) <= int(columns)


def run(*words: str, stdout: int, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tocsin", *words]
    return subprocess.run(command, stdout=stdout, stderr=stderr, timeout=120, check=False)


@pytest.mark.parametrize("words", [("--help",), ("demo", "--help"), ("settings",), ("--version",)], ids=" ".join)
def test_a_reader_that_has_seen_enough_is_no_error(words: tuple[str, ...]) -> None:
    gone, pipe = os.pipe()
    os.close(gone)
    done = run(*words, stdout=pipe)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, b"")


def test_output_that_a_full_disk_did_not_take_is_said_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("--version", stdout=full.fileno())
    assert done.returncode == 74
    assert done.stderr == b"tocsin: standard output could not be written (No space left on device): what was printed is not complete\n"


def test_an_error_whose_reader_is_gone_keeps_its_exit_code() -> None:
    gone, pipe = os.pipe()
    os.close(gone)
    command = [sys.executable, "-m", "tocsin", "check"]
    done = subprocess.run(
        command, env={**os.environ, "TOCSIN_MODEL__CARD": "/nowhere"}, stdout=subprocess.PIPE, stderr=pipe, timeout=120, check=False
    )
    os.close(pipe)
    assert done.returncode == 78
