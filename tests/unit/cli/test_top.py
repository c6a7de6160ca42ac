"""`tocsin top` over real HTTP: processes that tell of themselves in the text that OpenTelemetry's own exporter writes."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from tocsin.cli.commands import app
from tocsin.telemetry.metrics import CONSUMER_HELD, CONSUMER_STALLED, LOSSES, STAGE_DURATION
from typer.testing import CliRunner, Result

from tests.support.telling import Process, consuming, judged, process, ticking, working

NOBODY = "127.0.0.1:1"
WITHIN_S = 120.0
"""So long that only a defect waits for it."""
PATIENT = {"TOCSIN_METRICS__ANSWER_TIMEOUT_S": "30"}
"""A busy machine answers late; here nobody is to be told as silent who is not."""
QUICKLY = ("--every", "0.2")


@pytest.fixture
def consumer() -> Iterator[Process]:
    """A `tocsin consume` that judges 20 events between two answers."""
    with process(consuming()) as found:
        found.before_metrics = lambda: judged(found.tells, 20)
        yield found


def run(*words: str, **variables: str) -> Result:
    environment: dict[str, str | None] = {"COLUMNS": "300", "NO_COLOR": "1", "TOCSIN_METRICS__PORT": "1", **PATIENT, **variables}
    return CliRunner().invoke(app, ["top", *words], env=environment)


def shown(*words: str, **variables: str) -> dict[str, Any]:
    done = run("--once", "--json", *QUICKLY, *words, **variables)
    assert done.exit_code == 0, done.output
    found = orjson.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_one_view_has_all_there_is_to_say_of_three_processes(consumer: Process) -> None:
    with process(working()) as worker, process(ticking()) as clock:
        done = run("--once", *QUICKLY, consumer.address, worker.address, clock.address)
    assert done.exit_code == 0
    assert re.search(r"3 processes; rates over [0-9]+\.[0-9] s", done.stdout)
    for row in (
        rf"{consumer.address} +consume +not ready +urn:example:dermatology +1\.2\.0 +0\.1\.0 +8 +34 +23\.0 MB +-",
        rf"{clock.address} +beat +ready .* 300 ms",
        r"imaging\.events\.v1 +3 +42 +7\.5 s",
        r"oldest event: live 7\.5 s",
        r"published +[0-9]+\.[0-9]{2} +1,116 +375 ms +487 ms +window",
        r"not-assessable +too-dark +live +[0-9]+\.[0-9]{2} +124",
        rf"fhir +0 of 1 +open at {consumer.address}",
        r"write +20 +375 ms +488 ms +window",
        r"tocsin\.backfill +1",
        r"redrive +done +3 +1\.8 s +2\.4 s +start",
        r"redrive +sent +3",
    ):
        assert re.search(row, done.stdout), row
    assert f"{consumer.address}: fhir: HTTP 503 to the read of metadata: no OperationOutcome" in done.stdout


def test_a_stage_slower_than_the_last_bucket_is_told_as_slower(consumer: Process) -> None:
    consumer.before_metrics = lambda: consumer.tells.record(STAGE_DURATION, 60.0, 20, stage="infer")
    assert re.search(r"infer +20 +>10\.0 s +>10\.0 s +window", run("--once", *QUICKLY, consumer.address).stdout)


def test_what_a_person_has_to_act_on_is_said(consumer: Process) -> None:
    consumer.tells.set(CONSUMER_HELD, 1)
    consumer.tells.set(CONSUMER_STALLED, 2)
    consumer.tells.count(LOSSES, 3, kind="retention-gap")
    done = run("--once", *QUICKLY, consumer.address)
    assert re.search(rf"{consumer.address} +consume +held", done.stdout)
    assert f"{consumer.address}: 2 partitions are held back by the bus: a producer's transaction stays open" in done.stdout
    assert "lost on the bus, or may have been: retention-gap 3" in done.stdout


def test_where_standard_output_is_no_terminal_one_view_is_printed(consumer: Process) -> None:
    done = run(*QUICKLY, consumer.address)
    assert (done.exit_code, consumer.asked) == (0, 2)
    assert "\x1b" not in done.stdout


def test_json_is_one_object_of_a_known_shape(consumer: Process) -> None:
    found = shown(consumer.address)
    assert list(found) == [
        *("at", "window_s", "processes", "lag", "oldest", "throughput", "endings", "latency", "stages", "neighbours", "queues", "tasks"),
        *("sent", "losses"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["at"])
    assert found["lag"] == [{"topic": "imaging.events.v1", "partitions": 3, "events": 42.0, "seconds": 7.5}]
    assert found["throughput"][1] | {"per_second": 1} == {"ending": "published", "per_second": 1, "total": 1116.0}
    assert found["throughput"][1]["per_second"] == pytest.approx(18 / found["window_s"])
    assert set(found["stages"][0]) == {"name", "outcome", "count", "over", "p50_s", "p95_s"}
    assert found["neighbours"][0] == {"neighbour": "fhir", "asked_by": 1, "reached_by": 0, "breaker_open_at": [consumer.address]}
    [process] = found["processes"]
    assert process["reasons"] == ["fhir: HTTP 503 to the read of metadata: no OperationOutcome"]
    assert (process["running"], process["picture_bytes"], process["held"], process["tick_age_s"]) == (8.0, 23_040_000.0, False, None)


def test_a_process_that_does_not_answer_is_shown_with_the_reason_while_another_answers(consumer: Process) -> None:
    done = run("--once", *QUICKLY, consumer.address, NOBODY)
    assert done.exit_code == 0
    assert "1 of 2 processes answer" in done.stdout
    assert "http://127.0.0.1:1: connection refused" in done.stdout


def test_where_no_process_answers_the_command_fails_with_advice() -> None:
    done = run("--once", NOBODY)
    assert (done.exit_code, done.stdout) == (75, "")
    assert "tocsin: http://127.0.0.1:1: connection refused\n" in done.stderr
    assert "TOCSIN_METRICS__PROCESSES" in done.stderr


def test_where_no_process_answers_a_script_is_told_the_reasons() -> None:
    done = run("--json", NOBODY)
    assert done.exit_code == 75
    [process] = orjson.loads(done.stdout)["processes"]
    assert (process["answers"], process["missing_because"]) == (False, "connection refused")


def test_without_addresses_this_machines_process_and_those_of_the_settings_are_asked(consumer: Process) -> None:
    port = consumer.address.rpartition(":")[2]
    with process(working()) as worker:
        addresses = orjson.dumps([worker.address.removeprefix("http://")]).decode()
        found = shown(TOCSIN_METRICS__PORT=port, TOCSIN_METRICS__PROCESSES=addresses)
    assert [(each["address"], each["role"]) for each in found["processes"]] == [(consumer.address, "consume"), (worker.address, "work")]


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (("ftp://host:9464",), {}, "a process is host:port or http(s)://host[:port]"),
        (("host",), {}, "a process is host:port"),
        (("host:port",), {}, "a process is host:port"),
        (("http://host:99999",), {}, "a process is host:port"),
        (("http://user:secret@host:9464",), {}, "a process is host:port"),
        (("--every", "0", NOBODY), {}, "0.2"),
        (("--every", "nan", NOBODY), {}, "--every"),
        ((), {"TOCSIN_METRICS__PORT": "0"}, "TOCSIN_METRICS__PORT is 0"),
        (tuple(f"host:{port}" for port in range(1, 66)), {}, "65 are more than 64 processes"),
    ],
    ids=["scheme", "no port", "no number", "too high", "user", "often", "no time", "port 0", "many"],
)
def test_what_makes_no_sense_is_refused_with_the_reason(words: tuple[str, ...], variables: dict[str, str], said: str) -> None:
    done = run("--once", *words, **variables)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_a_wrong_address_among_the_settings_is_told_by_its_variable() -> None:
    done = run("--once", TOCSIN_METRICS__PROCESSES='["host"]')
    assert "TOCSIN_METRICS__PROCESSES: a process is host:port" in str(done.exception)


def test_what_a_process_says_cannot_steer_the_terminal(consumer: Process) -> None:
    consumer.tells.page["not_ready_because"] = ["\x1b[2Jgone", "x" * 5000]
    done = run("--once", *QUICKLY, consumer.address)
    assert r"\x1b[2Jgone" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 500


class Terminal:
    """A terminal on which `tocsin top` runs."""

    def __init__(self, *words: str, columns: int = 120, ignoring: Sequence[signal.Signals] = (), **variables: str) -> None:
        """`ignoring`: signals that whoever starts it ignores, as a shell does for what it starts in the background."""
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, columns))
        ours = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        command = [sys.executable, "-m", "tocsin", "top", *words]
        environment = {**ours, "TERM": "xterm-256color", "LANG": "C.UTF-8", **PATIENT, **variables}
        before = {each: signal.signal(each, signal.SIG_IGN) for each in ignoring}
        self.process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(theirs)
        self.shown = ""

    def shows(self, text: str) -> None:
        """Waits until the text was shown."""
        self.goes_on_until(lambda: text in self.shown, f"{text!r} was never shown")

    def goes_on_until(self, is_so: Callable[[], bool], otherwise: str) -> None:
        """Reads what is shown meanwhile: a terminal that nobody reads takes no more, and its process stands still."""
        deadline = time.monotonic() + WITHIN_S
        while not is_so():
            assert self._read(), f"{otherwise}: {self.shown[-500:]}"
            assert time.monotonic() < deadline, f"{otherwise}: {self.shown[-500:]}"

    def ends(self) -> int:
        """Its exit code, once it has ended."""
        deadline = time.monotonic() + WITHIN_S
        while self._read():
            assert time.monotonic() < deadline, f"it goes on: {self.shown[-500:]}"
        return self.process.wait(WITHIN_S)

    def _read(self) -> bool:
        with contextlib.suppress(OSError):  # a terminal whose process has ended cannot be read
            if select.select([self._ours], [], [], WITHIN_S)[0] and (chunk := os.read(self._ours, 65536)):
                self.shown += chunk.decode(errors="replace")
                return True
        return False

    def close(self) -> None:
        self.process.kill()
        self.process.wait(WITHIN_S)
        os.close(self._ours)


@contextlib.contextmanager
def terminal(*words: str, columns: int = 120, ignoring: Sequence[signal.Signals] = (), **variables: str) -> Iterator[Terminal]:
    with contextlib.closing(Terminal(*words, columns=columns, ignoring=ignoring, **variables)) as made:
        yield made


def frames(text: str) -> list[str]:
    """The views one after another, without what steers the terminal."""
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", each).replace("\r", "") for each in text.split("\x1b[H")[1:]]


@pytest.mark.parametrize("ignored", [False, True], ids=["", "ignored by its shell"])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_on_a_terminal_the_view_is_live_until_it_is_stopped_which_ends_it_with_0(
    consumer: Process, stop: signal.Signals, ignored: bool
) -> None:
    with terminal(*QUICKLY, consumer.address, ignoring=[stop] if ignored else []) as seen:
        seen.shows("no rates yet")
        seen.shows("rates over")
        seen.process.send_signal(stop)
        assert seen.ends() == 0
    assert "\x1b[?1049l" in seen.shown, "the terminal is given back"
    assert "Traceback" not in seen.shown


def test_a_process_that_is_started_anew_while_it_is_watched_is_shown_again_without_a_negative_rate(consumer: Process) -> None:
    with terminal(*QUICKLY, consumer.address) as seen:
        seen.shows("rates over")
        anew = consuming()
        consumer.before_metrics = lambda: judged(consumer.tells, 1)
        consumer.tells = anew
        asked = consumer.asked
        seen.goes_on_until(lambda: consumer.asked >= asked + 3, "it does not ask any more")
        seen.process.send_signal(signal.SIGINT)
        assert seen.ends() == 0
    assert not re.search(r" -\d", frames(seen.shown)[-1])


def test_where_no_process_answers_nothing_is_watched() -> None:
    with terminal(NOBODY) as seen:
        assert seen.ends() == 75
    assert "no process answered" in seen.shown
    assert "\x1b[?1049h" not in seen.shown


def test_no_color_takes_colours_and_bold_away_from_the_live_view(consumer: Process) -> None:
    with terminal(*QUICKLY, consumer.address, NO_COLOR="1") as seen:
        seen.shows("rates over")
        seen.process.send_signal(signal.SIGINT)
        assert seen.ends() == 0
    assert not re.search(r"\x1b\[[0-9;]*m", seen.shown)


@pytest.mark.parametrize("columns", [40, 72])
def test_on_a_narrow_terminal_names_stand_beside_their_values(consumer: Process, columns: int) -> None:
    with terminal("--once", *QUICKLY, consumer.address, columns=columns, NO_COLOR="1") as seen:
        assert seen.ends() == 0
    lines = seen.shown.splitlines()
    assert any("STATE not ready" in line for line in lines)
    words = [line for line in lines if " " in line.strip()]
    assert max(map(len, words)) <= columns


def test_on_a_dumb_terminal_one_view_is_printed(consumer: Process) -> None:
    with terminal(*QUICKLY, consumer.address, TERM="dumb") as seen:
        assert seen.ends() == 0
    assert "\x1b" not in seen.shown
