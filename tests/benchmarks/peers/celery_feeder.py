"""The Celery peer's bridge: every record of the imaging topic becomes a Celery task on Redis.

Run by `python -m tests.benchmarks.peers.celery_feeder`.

The positions are committed once Redis has the tasks, so that a bridge that dies sends some of them again and loses none.
"""

from __future__ import annotations

import signal
import threading
from typing import Final

from kafka import KafkaConsumer
from tocsin.settings import read_settings

from tests.benchmarks.peers.celery_tasks import TASK, application

POLL_MS: Final = 500


def main() -> None:
    """Feeds until it is told to end."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    kafka, app = read_settings().kafka, application()
    task = app.tasks[TASK]
    consumer = KafkaConsumer(
        kafka.topic_imaging,
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=kafka.group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    while not stopping.is_set():
        batches = consumer.poll(timeout_ms=POLL_MS).values()
        for record in (record for batch in batches for record in batch):
            task.delay(record.value.decode())
        if batches:
            consumer.commit()
    consumer.close(autocommit=False)


if __name__ == "__main__":
    main()
