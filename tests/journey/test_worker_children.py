"""What the processes do that a worker leaves its tasks to is seen where the worker is looked at, to the last line."""

from __future__ import annotations

from tocsin.telemetry.metrics import HTTP_DURATION, REPLAYS

from tests.support.otlp import Collector, collector
from tests.support.scraped import Scrapes, strangers
from tests.support.waiting import eventually
from tests.support.work_desk import Desk

SELDOM_S = "600"
"""Nothing is sent before the end."""


def sending_at_the_end(to: Collector) -> dict[str, str]:
    return {
        "TOCSIN_OTLP__ENDPOINT": to.endpoint,
        "TOCSIN_OTLP__SIGNALS": '["traces", "metrics", "logs"]',
        "TOCSIN_OTLP__EVERY_S": SELDOM_S,
        "TOCSIN_OTLP__METRICS_EVERY_S": SELDOM_S,
        "TOCSIN_TRACES__RATIO": "1",
    }


def test_the_requests_of_a_task_are_served_at_the_workers_port_and_its_last_words_are_sent_at_its_end(desk: Desk) -> None:
    desk.refuse("Media/children")
    with collector() as found:
        worker = desk.start("work", **sending_at_the_end(found))
        scrapes = Scrapes(desk, "work", "working")
        desk.ask("reconcile")  # asks a FHIR server that is away
        eventually(lambda: (scrapes.value(HTTP_DURATION, status_class="none") or 0) > 0, within_s=60, what="the task's request")
        desk.ask("redrive")
        eventually(lambda: scrapes.value(REPLAYS, by="redrive") == 1, within_s=60, what="the replay")
        assert [each.name for each in strangers(scrapes.read()) if not each.name.startswith("otel_sdk_")] == []
        eventually(lambda: desk.rounds() == 1, within_s=60, what="the end of the task")
        worker.stop(grace_s=30)
        assert worker.exit_code == 0
        assert found.latest(HTTP_DURATION.name, status_class="none") is not None
        (done,) = (line for line in found.lines if (line.body, line.attributes.get("task")) == ("task done", "redrive"))
        (run,) = (span for span in found.spans if span.name == "run redrive")
        (working,) = (line for line in found.lines if line.body == "working")
    assert done.trace_id == run.trace_id
    assert done.resource == run.resource
    assert done.resource["service.instance.id"] != working.resource["service.instance.id"]
