"""Every command of the service works where nothing can be written but shared memory, as in a container with a read-only root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tocsin.sandbox.commands import Command, launch
from tocsin.sandbox.process import Child

from tests.support.absent import absent
from tests.support.house import House
from tests.support.waiting import eventually
from tests.support.work_desk import Desk

READ_ONLY = "mount --make-rprivate / && mount -o remount,ro,bind / && ! touch /tmp/x 2>/dev/null"
NO_SHARED_MEMORY = "mount -t tmpfs -o ro tmpfs /dev/shm"


@pytest.fixture(scope="module", autouse=True)
def _may_mount() -> None:
    """A mount namespace of one's own, in which a test may make everything read-only."""
    tried = shutil.which("unshare") and subprocess.run(
        ["unshare", "--mount", *_mapped(), "sh", "-c", f"{READ_ONLY} && {NO_SHARED_MEMORY}"], capture_output=True, timeout=30, check=False
    )
    if not tried or tried.returncode:
        absent("this machine gives no mount namespace of one's own")


def _mapped() -> list[str]:
    return [] if os.geteuid() == 0 else ["--map-root-user"]


def confined(command: Command, folder: Path, variables: Mapping[str, str], *, shared_memory: bool = True) -> Child:
    """The command, in a namespace where every file system is read-only but shared memory, or that too."""
    return apart(" && ".join([READ_ONLY, *([] if shared_memory else [NO_SHARED_MEMORY]), 'exec "$@"']), command, folder, variables)


def apart(steps: str, command: Command, folder: Path, variables: Mapping[str, str]) -> Child:
    """The command, which is `"$@"` of these steps of a shell, in a mount namespace of its own."""
    plain = launch(command, folder, variables)
    argv = (shutil.which("unshare") or "unshare", "--mount", *_mapped(), "sh", "-c", steps, "sh", *plain.argv)
    return Child(replace(plain, argv=argv))


def test_worker_and_scheduler_do_their_work_without_a_file_system_that_can_be_written(desk: Desk, tmp_path: Path) -> None:
    desk.refuse("Media/confined")
    children = [confined(command, tmp_path, desk.variables) for command in ("work", "beat")]
    try:
        desk.await_redriven("Media/confined", within_s=40)
        desk.await_rounds(2)
    finally:
        for child in children:
            child.stop(grace_s=20)
    assert [child.exit_code for child in children] == [0, 0]
    assert "Traceback" not in desk.log("work") + desk.log("beat")


def test_a_worker_without_shared_memory_says_so_in_one_line_and_a_scheduler_needs_none(desk: Desk, tmp_path: Path) -> None:
    worker = confined("work", tmp_path, desk.variables, shared_memory=False)
    assert worker.exit_code == 78
    assert "ConfigurationError: /dev/shm: Read-only file system" in desk.log("work").splitlines()[-1]
    assert "Traceback" not in desk.log("work")
    scheduler = confined("beat", tmp_path, desk.variables, shared_memory=False)
    eventually(lambda: bool(desk.queues.llen("tocsin.schedule")), within_s=30, what="a task that was sent")
    scheduler.stop(grace_s=20)
    assert scheduler.exit_code == 0


def test_a_state_folder_that_cannot_be_written_is_named(desk: Desk, tmp_path: Path) -> None:
    scheduler = confined("beat", tmp_path, {**desk.variables, "TOCSIN_WORK__STATE_FOLDER": str(tmp_path / "state")})
    assert scheduler.exit_code == 78
    assert f"TOCSIN_WORK__STATE_FOLDER {tmp_path / 'state'}: Read-only file system" in desk.log("beat")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_scheduler_whose_state_folder_is_full_goes_on_and_says_so(desk: Desk, tmp_path: Path, when: str) -> None:
    state, fill = tmp_path / "state", tmp_path / "fill"
    state.mkdir()
    filling = f"{{ until test -e {fill}; do sleep 0.1; done; cat /dev/zero >{state}/rest 2>/dev/null || touch {fill}.done; }}"
    steps = f'mount -t tmpfs -o size=128k tmpfs {state} && {filling}{" ;" if when == "before" else " &"} exec "$@"'
    if when == "before":
        fill.touch()
    scheduler = apart(steps, "beat", tmp_path, {**desk.variables, "TOCSIN_WORK__STATE_FOLDER": str(state)})
    try:
        eventually(lambda: bool(desk.queues.llen("tocsin.schedule")), within_s=30, what="a task that was sent")
        fill.touch()
        eventually(Path(f"{fill}.done").exists, within_s=30, what="a full folder")
    finally:
        scheduler.stop(grace_s=20)
    assert scheduler.exit_code == 0
    assert ("the schedule file cannot be written" in desk.log("beat")) == (when == "before")
    assert "Traceback" not in desk.log("beat")


def test_a_consumer_judges_without_a_file_system_that_can_be_written(quick_hospital: House) -> None:
    house = quick_hospital
    media = house.record.media("confined", house.record.patient("p-confined"))
    house.bus.announce(media, "Patient/p-confined")
    consumer = confined("consume", house.folder, house.variables, shared_memory=False)
    try:
        eventually(lambda: [flag.media for flag in house.bus.flags()] == [media], within_s=60, what="the flag")
    finally:
        consumer.stop(grace_s=30)
    assert consumer.exit_code == 0
    check = confined("check", house.folder, house.variables, shared_memory=False)  # type: ignore[arg-type] # a command like the others
    assert check.exit_code in (0, 1)
    assert "Traceback" not in house.log() + house.log("check")
    assert "model noop/1" in house.log("check")
