"""The units, by systemd's own tools and by what Tocsin says of its exit codes, bounds and settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin import environment
from tocsin.cli.commands import COMMANDS
from tocsin.errors import Broken, ConfigurationError, ContractError, OutageTooLong
from tocsin.settings import Settings

from tests.deploy.systemd import units
from tests.support.absent import absent

WRONG_WORD = 2
"""The exit code for a command line that cannot be read."""
LEAVING_S = 15
"""What a process needs at its end besides draining: 5 s for a rebalance, 5 to commit and 5 to leave the bus."""
EXPOSURE_MAX = 15
"""Of systemd's own judgement, in tenths: 0 is best, 100 an unrestricted service of root."""
RUNNING = [unit for unit in units.SERVICES if ("Service", "Restart") in units.read(unit)]
each_unit = pytest.mark.parametrize("unit", units.SERVICES, ids=lambda unit: unit.stem)
each_running = pytest.mark.parametrize("unit", RUNNING, ids=lambda unit: unit.stem)


def one(unit: Path, name: str) -> str:
    [value] = units.read(unit)[("Service", name)]
    return value


def analyze(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        absent("systemd-analyze, of Debian's package systemd")
    return subprocess.run(["systemd-analyze", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_systemd_reads_every_unit_without_a_word_of_complaint(tmp_path: Path) -> None:
    folder = units.copied(tmp_path, sys.executable)
    done = analyze("verify", "--man=no", *sorted(folder.glob("*.service")), folder / "tocsin.target", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_itself_counts_every_unit_among_the_most_restricted(tmp_path: Path) -> None:
    folder = units.copied(tmp_path, sys.executable)
    paths = [f"./{unit.name}" for unit in units.SERVICES]
    done = analyze("security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE_MAX}", *paths, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Overall exposure level") == len(paths)


def test_the_services_that_run_are_the_four_processes_of_tocsin() -> None:
    assert [unit.stem for unit in RUNNING] == ["tocsin-beat", "tocsin-consume@", "tocsin-serve", "tocsin-work"]


@each_unit
def test_a_unit_runs_a_command_that_there_is(unit: Path) -> None:
    program, command, *_ = one(unit, "ExecStart").split()
    assert program == units.PROGRAM
    assert command == unit.stem.removeprefix("tocsin-").rstrip("@")
    assert command in COMMANDS


@each_running
def test_only_what_a_person_has_to_change_on_this_machine_keeps_a_process_from_being_started_again(unit: Path) -> None:
    given_up = {int(code) for code in one(unit, "RestartPreventExitStatus").split()}
    assert (one(unit, "Restart"), given_up) == ("always", {WRONG_WORD, ConfigurationError.exit_code})
    assert not given_up & {OutageTooLong.exit_code, ContractError.exit_code, Broken.exit_code}
    assert units.read(unit)[("Unit", "StartLimitIntervalSec")] == ["0"], "an outage may last longer than any number of starts"


@each_running
def test_systemd_waits_for_longer_than_a_process_may_take_to_end_and_signals_the_process_alone(unit: Path) -> None:
    settings = Settings()
    drains_s = (settings.consume.drain_timeout_s, settings.work.drain_timeout_s, settings.serve.linger_s + settings.serve.drain_timeout_s)
    bound = max(drains_s) + LEAVING_S
    assert int(one(unit, "TimeoutStopSec").removesuffix("s")) > bound
    assert one(unit, "KillMode") == "mixed"


@each_unit
def test_no_unit_takes_more_memory_than_it_says_and_none_waits_for_a_word_that_nobody_sends(unit: Path) -> None:
    assert re.fullmatch(r"\d+M", one(unit, "MemoryMax"))
    assert one(unit, "MemorySwapMax") == "0"
    assert ("Service", "WatchdogSec") not in units.read(unit)
    assert one(unit, "Type") in ("exec", "oneshot")


def test_no_two_processes_of_a_machine_have_one_port() -> None:
    ports = [units.variables(unit)["TOCSIN_METRICS__PORT"] for unit in RUNNING]
    assert sorted(ports) == ["%i", "9461", "9462", "9463"]
    assert units.read(units.FOLDER / "tocsin-consume@.service")[("Install", "DefaultInstance")] == ["9464"]


@each_unit
def test_secrets_come_as_files_and_stand_in_no_environment(unit: Path) -> None:
    known = environment.variables(Settings)
    given = units.variables(unit)
    assert given.keys() <= known.keys()
    assert all(known[name].of_file and given[name].startswith("%d/") for name in given if known[name].secret)
    handed = {line.split(":")[0] for line in units.read(unit)[("Service", "LoadCredential")]}
    assert handed == {value.removeprefix("%d/") for name, value in given.items() if known[name].secret}


def test_every_setting_of_the_examples_exists_and_takes_its_value(tmp_path: Path) -> None:
    text = units.SETTINGS.read_text() + units.SITE.read_text().replace("#Environment=", "#")
    given = dict(re.findall(r"^#?(TOCSIN_[A-Z_]+)=(.+)$", text, re.MULTILINE))
    (tmp_path / "secret").write_text("value")
    known = environment.variables(Settings)
    assert given.keys() <= known.keys()
    of_files = {name: str(tmp_path / "secret") for name in given if known[name].of_file}
    environment.read(Settings, given | of_files)


REPORT_FOLDER = "TOCSIN_WATCH__REPORT_FOLDER"


def test_monthly_reports_go_where_work_alone_may_write_and_no_line_for_every_process_names_the_folder() -> None:
    example = units.SITE.read_text()
    [folder] = re.findall(r"^#StateDirectory=(\S+)$", example, re.MULTILINE)
    assert re.findall(rf"^#Environment={REPORT_FOLDER}=(\S+)$", example, re.MULTILINE) == [f"%S/{folder}"]
    assert [name for name in ("tocsin-work", "tocsin-beat") if f"/etc/systemd/system/{name}.service.d/site.conf" not in example] == []
    assert REPORT_FOLDER not in units.SETTINGS.read_text(), "tocsin-check reads it, and may not write there"
    assert [unit.stem for unit in units.SERVICES if REPORT_FOLDER in units.variables(unit)] == []


def test_systemd_reads_the_drop_ins_for_monthly_reports(tmp_path: Path) -> None:
    folder = units.copied(tmp_path, sys.executable)
    lines = re.findall(rf"^#(StateDirectory=.+|Environment={REPORT_FOLDER}=.+)$", units.SITE.read_text(), re.MULTILINE)
    for name, given in (("tocsin-work", lines), ("tocsin-beat", lines[1:])):
        drop_in = folder / f"{name}.service.d" / "site.conf"
        drop_in.parent.mkdir()
        drop_in.write_text("\n".join(["[Service]", *given, ""]))
    done = analyze("verify", "--man=no", folder / "tocsin-work.service", folder / "tocsin-beat.service", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_setting_that_each_process_has_for_itself_stands_in_no_common_file() -> None:
    given = dict(re.findall(r"^#?(TOCSIN_[A-Z_]+)=(.+)$", units.SETTINGS.read_text(), re.MULTILINE))
    own = {name for unit in units.SERVICES for name in units.variables(unit)}
    assert not own & given.keys(), "a file of settings wins over a unit's own lines"
