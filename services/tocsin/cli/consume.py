"""tocsin consume: judges imaging events; the service itself."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli.consume_run import run

Processes = Annotated[
    int,
    typer.Option(
        "--processes",
        metavar="N",
        min=1,
        max=64,
        help="Run so many consumers on this machine, with one health page, one page of metrics and one end for all of them.",
    ),
]


def consume(processes: Processes = 1) -> None:
    """Judge imaging events until stopped: event -> image -> inference -> risk -> report.

    Run as many as the imaging topic has partitions, at most one for each core; they share the work. With --processes one command runs
    several: one that dies is started again, TOCSIN_CONSUME__RESTARTS_MAX times, and all end together.

    SIGTERM or Ctrl-C lets running journeys end within
    TOCSIN_CONSUME__DRAIN_TIMEOUT_S and commits what has ended; everything else keeps its place on the bus. By default the process
    is gone within 25 seconds: 5 for a rebalance under way, 10 to drain, 5 to commit and 5 to leave the bus.

    On TOCSIN_METRICS__PORT it answers GET /live (200 while it gets on; 503 where a restart would help) and GET /ready (200 where every
    neighbour answers or is waited for). A loop or a journey that is stuck ends the process, so run it under a supervisor that restarts it.
    GET /metrics there is for Prometheus; of several processes each series says by the label `process` whose it is. Two commands on one
    machine need a port each.

    Example, beside another command on the same machine, on two cores:

    TOCSIN_METRICS__PORT=9465 tocsin consume --processes 2

    Exit codes: 0 stopped on request; 1 no thread got the processor for too long; 70 Tocsin itself failed, or was stuck; 75 a neighbour
    was away for too long; 76 a neighbour is not what the settings say; 78 a setting or the model card is wrong.
    """
    raise typer.Exit(run(processes))
