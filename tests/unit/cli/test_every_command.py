"""Every command teaches by an example, says its exit codes, and ends quietly when its reader has seen enough."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.cli.commands import COMMANDS, app, command
from typer.testing import CliRunner

GROUPS = {
    "backfill": ("start", "list", "show", "pause", "resume", "cancel"),
    "gate": ("train",),
    "model": ("build", "answers"),
    "site": ("register", "promote", "rollback", "show", "check"),
    "watch": ("report",),
}
EVERY = [(each,) for each in COMMANDS if each not in GROUPS] + [(group, each) for group, members in GROUPS.items() for each in members]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_commands_help_has_an_example_and_its_exit_codes(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0
    assert "Example" in done.output
    assert f"tocsin {' '.join(words)}" in done.output
    assert "Exit codes: 0" in done.output


def test_help_lists_every_command_with_its_sentence() -> None:
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert all(re.search(rf" {name} +{re.escape(sentence)}", done.output) for name, sentence in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_sentence_in_the_list_is_the_one_that_its_own_help_begins_with(name: str) -> None:
    assert command(name).help.startswith(COMMANDS[name])


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


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("settings", "--help")], ids=" ".join)
def test_a_command_waits_for_no_library_that_another_needs(words: tuple[str, ...]) -> None:
    started = f"import sys; sys.argv[1:] = {list(words)}\nfrom tocsin.cli.commands import app\napp(standalone_mode=False)\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{started}print('LOADED', *sorted(sys.modules))"], capture_output=True, text=True, timeout=120, check=True
    )
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "tocsin.cli" in loaded
    assert loaded & {"kafka", "celery", "kombu", "redis", "tritonclient", "grpc", "numpy", "PIL", "pycurl", "fhir"} == set()
