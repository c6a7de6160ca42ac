"""Composes what `tocsin consume --processes` runs: the consumers, and one page of health and of metrics for all of them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tocsin.fleet.health import Look, pages
from tocsin.fleet.member import Member
from tocsin.fleet.supervisor import Restarts, Supervisor
from tocsin.network import HOST, free_ports
from tocsin.settings import Settings
from tocsin.telemetry.health_server import serving
from tocsin.telemetry.log import logger
from tocsin.telemetry.merged import merging
from tocsin.telemetry.top.scrape import Scraper, health

LEAVING_S: Final = 20.0
"""What a member needs at its end besides draining, at most: a rebalance, a commit, leaving the bus, and some slack."""


def run(settings: Settings, processes: int, stopping: threading.Event) -> int:
    """Run so many consumers until `stopping` is set or they cannot go on; gives the exit code. Raises ConfigurationError.

    Call it from the main thread.
    """
    ports, metrics = free_ports(processes), settings.metrics
    addresses = [f"http://{HOST}:{port}" for port in ports]
    starts: list[Callable[[], Member]] = [partial(Member, port, environment(settings, number)) for number, port in enumerate(ports)]
    scraper = Scraper(addresses, metrics.answer_timeout_s)
    look = Look(lambda: [health(each, metrics.answer_timeout_s) for each in addresses])
    restarts = Restarts(settings.consume.restarts_max, settings.consume.restarts_within_s)
    supervisor = Supervisor(starts, restarts, time.monotonic, _say_died, _say_killed)
    with serving(metrics, pages(lambda: look.members), merging(lambda: _texts(scraper))) as port:
        logger().info("consuming by several processes", detail=f"{processes} processes", port=port)
        with look.asking(metrics.ping_every_s):
            return supervisor.run(stopping, end_within_s=settings.consume.drain_timeout_s + LEAVING_S)


def environment(settings: Settings, number: int) -> Mapping[str, str]:
    """The member's environment: its part of the memory, and a name of its own: of the same name in the group two would fence each other."""
    name = settings.kafka.group_instance_id
    sizes = {"TOCSIN_IMAGE__IN_FLIGHT_BYTES_MAX": settings.image.in_flight_bytes_max, "TOCSIN_CONSUME__WORKERS": settings.consume.workers}
    named = {} if name is None else {"TOCSIN_KAFKA__GROUP_INSTANCE_ID": f"{name}-{number}"}
    return os.environ | {size: str(value) for size, value in sizes.items() if value is not None} | named


def _texts(scraper: Scraper) -> dict[str, str]:
    return {str(number): answer.metrics for number, answer in enumerate(scraper.ask()) if answer.metrics is not None}


def _say_died(number: int, code: int) -> None:
    advice = "Another one is started in its place; its events are taken up where it stood. Its last lines say why."
    logger().warning("a process of several has died", detail=f"process {number}, exit code {code}", advice=advice)


def _say_killed(number: int) -> None:
    advice = "It was asked to end and did not within its time. What it had in hand is done again by whoever takes its partitions."
    logger().warning("a process of several was killed", detail=f"process {number}", advice=advice)
