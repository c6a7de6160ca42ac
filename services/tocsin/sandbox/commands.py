"""Runs Tocsin's own commands on the embedded stack, as child processes, just as production runs them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from tocsin.network import HOST
from tocsin.sandbox.process import Child, Launch

Command = Literal["consume", "work", "beat", "serve"]

GRACE_S: Final = 30.0
"""Longest wait for a process to end when it is asked to."""


def environment(*, kafka: str, fhir: str, triton: str, card: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables that point Tocsin at these addresses and let several processes run on one machine."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "TOCSIN_FHIR__BASE_URL": fhir,
        "TOCSIN_TRITON__GRPC_URL": triton,
        "TOCSIN_MODEL__CARD": str(card),
        "TOCSIN_METRICS__HOST": HOST,
        "TOCSIN_METRICS__PORT": "0",
        **(more or {}),
    }


def launch(command: Command, folder: Path, variables: Mapping[str, str], name: str | None = None) -> Launch:
    """The launch of a command, which logs to `folder/NAME.log`; the name is the command's own unless it is given."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = (sys.executable, "-m", "tocsin", command)
    return Launch(f"tocsin {command}", argv, folder, folder / f"{name or command}.log", variables)


@contextmanager
def running(folder: Path, variables: Mapping[str, str], *commands: Command) -> Iterator[list[Child]]:
    """Run these commands until the block ends; gives their processes, in this order.

    At the end all finish their work at the same time, and no process is left.
    """
    children: list[Child] = []
    try:
        for command in commands:
            children.append(Child(launch(command, folder, variables)))
        yield children
    finally:
        with ThreadPoolExecutor(len(commands)) as enders:
            for child in children:
                enders.submit(child.stop, grace_s=GRACE_S)
