"""`tocsin consume` as a child process on the embedded stack: the very command that production runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tocsin.sandbox.process import Child, Launch

NAME = "tocsin consume"


def environment(*, kafka: str, fhir: str, triton: str, card: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings that point Tocsin at these addresses."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "TOCSIN_FHIR__BASE_URL": fhir,
        "TOCSIN_TRITON__GRPC_URL": triton,
        "TOCSIN_MODEL__CARD": str(card),
        **(more or {}),
    }


def consume_launch(folder: Path, variables: Mapping[str, str], name: str = "consume") -> Launch:
    """How to run it; its log is `folder/NAME.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    return Launch(NAME, (sys.executable, "-m", "tocsin", "consume"), folder, folder / f"{name}.log", variables)


@contextmanager
def consuming(folder: Path, variables: Mapping[str, str]) -> Iterator[Child]:
    """The process, until the block ends; it then drains and is gone."""
    child = Child(consume_launch(folder, variables))
    try:
        yield child
    finally:
        child.stop(grace_s=30.0)
