"""tocsin health: says by its exit code how the process of this container is, for supervisors that cannot ask a page."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tocsin.cli.health_run import run


class Question(StrEnum):
    """What is asked: a health page's name."""

    LIVE = "live"
    READY = "ready"


Asked = Annotated[Question, typer.Argument(help="live: would a restart help? ready: does every neighbour answer?", show_default=False)]


def health(question: Asked) -> None:
    """Ask the process of this machine or container whether it is live, or ready, and say so by the exit code.

    It asks GET /live or GET /ready at TOCSIN_METRICS__PORT, waits TOCSIN_METRICS__ANSWER_TIMEOUT_S at most, and prints why where the
    answer is no. For a supervisor that runs a command; one that asks a page itself, as Kubernetes does, needs none.

    Example, in a compose file:

    test: ["CMD", "tocsin", "health", "live"]

    Exit codes: 0 yes; 1 no, or no answer; 2 neither live nor ready was asked for; 78 TOCSIN_METRICS__* is wrong, or the port is 0.
    """
    raise typer.Exit(run(question))
