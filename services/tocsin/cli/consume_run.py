"""Does what `tocsin consume` asks for. Imports no parser of command lines: that would stay with the service."""

from __future__ import annotations

import gc
import threading

from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.sizing import part_bytes, sized, too_large
from tocsin.control_group import memory_limit_bytes
from tocsin.image.malloc import keep_memory
from tocsin.settings import Settings, read_settings
from tocsin.stopping import stopped_by_signals
from tocsin.telemetry.log import logger, set_up_logs


def run(processes: int = 1) -> int:
    """Consume by so many processes until a signal or an end of theirs; gives the exit code. Raises what `tocsin consume` ends by."""
    if processes == 1:
        keep_memory()  # before the first thread, and so before OpenTelemetry's SDK is imported, which starts two
    limit_bytes = part_bytes(memory_limit_bytes(), processes)
    stated = read_settings()
    settings = sized(stated, limit_bytes)
    set_up_logs(settings.log)
    _tell(settings, too_large(stated, limit_bytes))
    stopping = stopped_by_signals()
    return _several(settings, processes, stopping) if processes > 1 else _one(settings, stopping)


def _tell(settings: Settings, too_large: str | None) -> None:
    if too_large is not None:
        advice = "Raise the memory limit, or lower what the settings state; else the process may be killed in the midst of large pictures."
        logger().warning("settings: more memory is stated than the limit allows", detail=too_large, advice=advice)
    pictures, workers = settings.image.in_flight_bytes_max, settings.consume.workers
    logger().info("memory", detail=f"{pictures} bytes for pictures", workers=workers)


def _several(settings: Settings, processes: int, stopping: threading.Event) -> int:
    from tocsin.bootstrap import fleet  # whoever watches several consumers needs none of what they import

    return fleet.run(settings, processes, stopping)


def _one(settings: Settings, stopping: threading.Event) -> int:
    gc.disable()  # to look through what is imported again and again takes a fifth of the start
    from tocsin.bootstrap import consume as bootstrap  # takes a second, and 90 MB
    from tocsin.bootstrap.telemetry import observed

    gc.enable()
    if not bootstrap.await_bus(settings, stopping):
        return 0
    card, ends = card_in_use(settings.model), bootstrap.log_ends(settings)
    with (
        observed(settings, "tocsin-consume", card) as metrics,
        bootstrap.neighbours(settings, card, ends) as pings,
        bootstrap.consumer(settings, card, ends) as consumer,
        bootstrap.health(settings, consumer.progress, pings, metrics) as port,
    ):
        kafka, workers = settings.kafka, settings.consume.workers
        logger().info("consuming", topic=kafka.topic_imaging, group=kafka.group_id, workers=workers, port=port)
        consumer.run(stopping)
    return 0
