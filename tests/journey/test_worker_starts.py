"""A healthy start says nothing that somebody should look at, and a process that waits for Redis ends when it is told to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest
from tocsin.network import HOST, free_ports
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.commands import Command, environment, launch
from tocsin.sandbox.process import Child

from tests.support.waiting import eventually
from tests.support.work_desk import Desk

ENDS_WITHIN_S = 25.0
"""What a supervisor is told to wait (deploy/operations.md); a try to connect (3 s) and a pause (1 s) need less of it."""


def test_a_healthy_start_of_worker_and_scheduler_warns_of_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.start("work")
    desk.start("beat", TOCSIN_WORK__STATE_FOLDER=str(tmp_path / "state"))
    desk.await_rounds(2)
    lines = [line for name in ("work", "beat") for line in desk.log(name).splitlines()]
    assert [line for line in lines if not line.startswith("{") or orjson.loads(line)["level"] != "info"] == []


@contextmanager
def away(how: str) -> Iterator[int]:
    """A port where Redis is not: nobody listens, or somebody takes connections and says nothing."""
    if how == "refused":
        yield free_ports(1)[0]
        return
    with closing(socket.create_server((HOST, 0), backlog=64)) as silent:
        yield silent.getsockname()[1]


@pytest.mark.parametrize("how", ["refused", "silent"])
@pytest.mark.parametrize(("command", "said"), [("work", "Cannot connect"), ("beat", "Connection error")])
def test_a_process_that_waits_for_redis_at_its_start_ends_within_its_bound(command: Command, said: str, how: str, tmp_path: Path) -> None:
    nowhere = f"{HOST}:1"
    with away(how) as port:
        more = {"TOCSIN_REDIS__URL": f"redis://{HOST}:{port}/0", "TOCSIN_WORK__REDRIVE_EVERY_S": "1"}
        variables = environment(kafka=nowhere, fhir=f"http://{nowhere}/fhir", triton=nowhere, card=packaged(REFERENCE_CARD), more=more)
        child = Child(launch(command, tmp_path, variables))
        eventually(lambda: said in (tmp_path / f"{command}.log").read_text(), within_s=60, what="a complaint")
        child.stop(grace_s=ENDS_WITHIN_S)
    assert child.exit_code == 0  # one that was still there was killed
