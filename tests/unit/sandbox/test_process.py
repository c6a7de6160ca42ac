"""A child process is ready by a deadline or is gone, and never outlives its stack."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tocsin.network import free_ports
from tocsin.sandbox.errors import Interrupted, PartDidNotStart
from tocsin.sandbox.process import Child, Launch, accepts, await_ready, on_free_ports, run, started

NEVER = threading.Event()


def shell(folder: Path, script: str) -> Launch:
    return Launch("The part", ("/bin/sh", "-c", script), folder, folder / "log.txt", {"PATH": "/usr/bin:/bin"})


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_in(file: Path) -> int:
    eventually(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def test_a_part_that_ends_early_is_reported_with_its_exit_code_and_last_lines(tmp_path: Path) -> None:
    with (
        pytest.raises(PartDidNotStart, match=r"(?s)The part ended with exit code 3 .*Mend what .* run it again\..*line 30$") as report,
        started(shell(tmp_path, "for i in $(seq 30); do echo line $i; done; exit 3")) as child,
    ):
        await_ready(child, lambda: False, within_s=30, interrupted=NEVER)
    assert "line 16" in str(report.value)
    assert "line 15" not in str(report.value)


def test_a_part_that_the_system_killed_is_reported_with_what_to_do_about_memory(tmp_path: Path) -> None:
    with (
        pytest.raises(PartDidNotStart, match=r"exit code -9 .*needs about 2 GB\. Close what uses memory and run it again\."),
        started(shell(tmp_path, "kill -KILL $$")) as child,
    ):
        await_ready(child, lambda: False, within_s=30, interrupted=NEVER)


def test_a_part_that_is_not_ready_by_its_deadline_is_ended(tmp_path: Path) -> None:
    with (
        pytest.raises(PartDidNotStart, match=r"(?s)not ready after 1 s.*Close what keeps.*warming up"),
        started(shell(tmp_path, "echo warming up; sleep 100")) as child,
    ):
        await_ready(child, lambda: False, within_s=1, interrupted=NEVER)
    assert not runs(child.pid)


def test_what_a_part_started_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    leader = replace(shell(tmp_path, f"sleep 300 & echo $! > {tmp_path}/other; wait"), leads=True)
    child = Child(leader)
    other = pid_in(tmp_path / "other")
    os.kill(child.pid, signal.SIGKILL)  # as the kernel does once whoever started it is gone
    eventually(lambda: not runs(other))
    child.kill()


def test_waiting_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    interrupted = threading.Event()
    threading.Timer(0.3, interrupted.set).start()
    with pytest.raises(Interrupted), started(shell(tmp_path, "sleep 100")) as child:
        await_ready(child, lambda: False, within_s=30, interrupted=interrupted)
    assert not runs(child.pid)


@pytest.mark.parametrize("within_s", [30, 0.5], ids=["interrupted", "over"])
def test_waiting_ends_though_the_part_lets_its_probe_hang(tmp_path: Path, within_s: float) -> None:
    interrupted, never = threading.Event(), threading.Event()
    if within_s > 1:
        threading.Timer(0.3, interrupted.set).start()
    began = time.monotonic()
    try:
        with pytest.raises((Interrupted, PartDidNotStart)), started(shell(tmp_path, "sleep 100")) as child:
            await_ready(child, lambda: never.wait(60), within_s=within_s, interrupted=interrupted)
    finally:
        never.set()
    assert time.monotonic() - began < 20
    assert not runs(child.pid)


def test_what_a_probe_raises_is_raised_where_it_was_asked(tmp_path: Path) -> None:
    def broken() -> bool:
        raise ValueError("no answer at all")

    with pytest.raises(ValueError, match="no answer at all"), started(shell(tmp_path, "sleep 100")) as child:
        await_ready(child, broken, within_s=30, interrupted=NEVER)


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(PartDidNotStart, match="No such file"),
        started(Launch("It", ("/nonexistent",), tmp_path, tmp_path / "log.txt", {})) as child,
    ):
        await_ready(child, lambda: False, within_s=30, interrupted=NEVER)


@pytest.mark.parametrize("end", [Child.stop, Child.kill])
def test_ending_a_part_ends_what_it_started_too(tmp_path: Path, end: Callable[[Child], None]) -> None:
    child = Child(shell(tmp_path, "sleep 100 & echo $! > helper; wait"))
    helper = pid_in(tmp_path / "helper")
    end(child)
    eventually(lambda: not runs(helper))
    assert not child.alive
    end(child)


def test_a_part_that_ends_by_itself_leaves_no_helper_either(tmp_path: Path) -> None:
    with pytest.raises(PartDidNotStart), started(shell(tmp_path, "sleep 100 & echo $! > helper; exit 1")) as child:
        await_ready(child, lambda: False, within_s=30, interrupted=NEVER)
    eventually(lambda: not runs(pid_in(tmp_path / "helper")))


@pytest.mark.parametrize("end", [Child.stop, Child.kill])
def test_ending_a_part_that_has_ended_by_itself_ends_what_it_left_behind(tmp_path: Path, end: Callable[[Child], None]) -> None:
    child = Child(shell(tmp_path, "sleep 100 & echo $! > helper; exit 4"))
    helper = pid_in(tmp_path / "helper")
    eventually(lambda: not child.alive)
    assert runs(helper)
    end(child)
    eventually(lambda: not runs(helper))
    assert child.exit_code == 4


def test_a_part_is_asked_to_end_before_it_is_made_to(tmp_path: Path) -> None:
    child = Child(shell(tmp_path, "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.1; done"))
    eventually(lambda: "up" in child.tail())
    child.stop()
    assert "asked" in child.tail()
    assert child.exit_code == 0


def test_a_part_that_ignores_the_polite_request_is_made_to_end(tmp_path: Path) -> None:
    child = Child(shell(tmp_path, "trap '' TERM; echo up; while :; do sleep 0.1; done"))
    eventually(lambda: "up" in child.tail())
    child.stop(grace_s=0.3)
    assert child.exit_code == -signal.SIGKILL


def test_a_part_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tocsin.sandbox.process import Child, Launch\n"
        "folder = Path(sys.argv[1])\n"
        "child = Child(Launch('It', ('/bin/sleep', '100'), folder, folder / 'log.txt', {}))\n"
        "(folder / 'pid').write_text(f'{child.pid}\\n'); time.sleep(100)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    child = pid_in(tmp_path / "pid")
    assert runs(child)
    parent.kill()
    parent.wait()
    eventually(lambda: not runs(child))


def test_a_tool_that_fails_says_why_and_one_that_succeeds_says_nothing(tmp_path: Path) -> None:
    assert run(shell(tmp_path, "true"), within_s=30, interrupted=NEVER) == ""
    assert run(shell(tmp_path, "echo no room; exit 2"), within_s=30, interrupted=NEVER) == "it ended with exit code 2:\n    no room"
    assert run(shell(tmp_path, "sleep 100"), within_s=0.1, interrupted=NEVER).startswith("it was not done after 0 s")


def test_somebody_may_look_on_while_a_tool_runs(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    assert run(shell(tmp_path, "until [ -e 'go on' ]; do sleep 0.05; done"), within_s=30, interrupted=NEVER, meanwhile=go_on.touch) == ""


def test_a_port_that_somebody_else_took_is_replaced() -> None:
    asked: list[int] = []

    def start(ports: tuple[int, ...]) -> int:
        asked.append(ports[0])
        if len(asked) == 1:
            taken.bind(("127.0.0.1", ports[0]))
            taken.listen()
            raise PartDidNotStart("address in use")
        return ports[0]

    with socket.socket() as taken:
        assert on_free_ports(1, start) == asked[1] != asked[0]


def test_a_failure_that_is_not_about_ports_is_not_tried_again() -> None:
    asked: list[int] = []

    def start(ports: tuple[int, ...]) -> None:
        asked.extend(ports)
        raise PartDidNotStart("broken")

    with pytest.raises(PartDidNotStart, match="broken"):
        on_free_ports(2, start)
    assert len(asked) == 2


def test_free_ports_differ_and_nobody_listens_there() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert not any(map(accepts, ports))


def test_the_child_leads_a_session_of_its_own(tmp_path: Path) -> None:
    with started(shell(tmp_path, "sleep 100")) as child:
        assert os.getsid(child.pid) == child.pid  # Ctrl-C in the terminal reaches us, not it
        child.kill()
