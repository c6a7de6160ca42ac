"""A real Prometheus that scrapes a whole Tocsin has an answer for every panel, and raises the alerts of what went wrong and no others."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis as Client
from tocsin.model_card import read_card
from tocsin.network import HOST
from tocsin.sandbox.commands import Command, launch
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import Child
from tocsin.sandbox.redis import Redis
from tocsin.sandbox.triton import Triton
from tocsin.telemetry.metrics import COMMITS, EVENTS

from tests.support import prometheus
from tests.support.absent import absent
from tests.support.health import said
from tests.support.house import DERMOSCOPY, House, house
from tests.support.prometheus import Prometheus
from tests.support.proxy import proxy
from tests.support.queries import alerts, dashboard_queries, prometheus_name, rules
from tests.support.stack import running
from tests.support.waiting import comes_to_hold, eventually
from tests.support.web import Reply
from tests.support.work_desk import children

EMPTY: Final = {
    "Tocsin: workers: Backfills that have not ended, by how they stand": "No backfill was started.",
    "Tocsin: delivery and dead letters: Defects and poison, last 7 days": "Tocsin had no defect, and no picture killed it.",
    "Tocsin: delivery and dead letters: Media with reports under two patients, last 7 days": "No picture has reports under two patients.",
    "Tocsin: pages for clinicians: Requests a second, by route": "No tocsin serve runs on this stack; tests/journey/test_serve.py has one.",
    "Tocsin: pages for clinicians: Time to the answer, p95, by route": "The same.",
    "Tocsin: pages for clinicians: Answers in 5 minutes, by status": "The same.",
    "Tocsin: pages for clinicians: Launches in 5 minutes, by result": "The same.",
    "Tocsin: model: How near each alarm is, in units of its limit, over a day": "Nobody looks here at what came in; test_watch.py does.",
    "Tocsin: model: Looks that alarm, or were not answered, in a day": "The same.",
    "Tocsin: workers: Measures of a worker's processes lost, in 5 minutes": "No process had to drop what it measured.",
    **{
        f"Tocsin: clinicians: {title}": "No clinician and no tocsin serve are on this stack; tests/journey/test_worklist_serve.py has one."
        for title in (
            "Verdicts an hour, by act",
            "Share of recorded verdicts that disagree, over a week",
            "Time to verdict",
            "What became of verdicts in an hour",
            "Verdicts that are not in the record, by how they stand",
            "Age of the oldest that is not in the record, at most",
            "Unread reports, by band",
            "Age of the oldest unread report, by band",
            "Overdue flags",
            "Messages about unread flags in an hour",
            "Since the list was known to be current",
            "Reports that found no room on the list",
            "Audit sample on the list, read and unread",
        )
    },
    **{
        f"Tocsin: CDS Hooks: {title}": "No EHR calls on this stack; tests/integration/test_cds_hooks.py has three."
        for title in (
            "Calls in 5 minutes, by hook and outcome",
            "Refused calls in 5 minutes, by reason",
            "Readings of key sets in an hour, by result",
            "Cards in an hour, by band",
            "Time to the answer, p99, by hook",
            "Answers to cards in an hour",
        )
    },
}
"""Panels that show nothing on this stack, each with the reason."""
SILENT: Final = {
    "site:tocsin_reports_misplaced:new": "No picture has reports under two patients.",
    "signal:tocsin_watch_origins_unanswered:increase25h": "Nobody looks here at where pictures come from; test_watch.py does.",
}
"""Recording rules that give no number on this stack, each with the reason."""
PROVOKED: Final = {
    "TocsinRetentionGap": "An event was deleted before it was read.",
    "TocsinGapsFound": "The reconciliation found that event's picture.",
    "TocsinTaskKilled": "The worker's process was killed at its task.",
}
"""Alerts that fire on this stack, each with the fault that was made for it."""
READY: Final[Mapping[Command, str]] = {"consume": "consuming", "work": "working", "beat": "scheduling"}
"""Command -> the line of its log that names its port."""

SETTINGS: Final = {
    "TOCSIN_METRICS__PING_EVERY_S": "0.5",
    "TOCSIN_CONSUME__ATTEMPTS_MAX": "1",
    "TOCSIN_CONSUME__GIVE_UP_AFTER_S": "0",
    "TOCSIN_CONSUME__RETRY_INITIAL_S": "0.2",
    "TOCSIN_WORK__PROCESSES": "1",
    "TOCSIN_WORK__REDRIVE_EVERY_S": "2",
    "TOCSIN_WORK__REDRIVE_INITIAL_S": "0.1",
    "TOCSIN_WORK__RECONCILE_EVERY_S": "12",
    "TOCSIN_WORK__TASK_TIMEOUT_S": "15",
    "TOCSIN_WORK__TASK_KILL_AFTER_S": "20",
    "TOCSIN_RECONCILE__RUN_S": "5",
    "TOCSIN_VERDICTS__RETRY_RUN_S": "5",
    "TOCSIN_RECONCILE__GRACE_S": "1",
    "TOCSIN_RECONCILE__WINDOW_S": "3600",
    "TOCSIN_OTLP__ENDPOINT": f"http://{HOST}:1",  # nobody listens there
    "TOCSIN_OTLP__SIGNALS": '["traces", "logs"]',
    "TOCSIN_OTLP__EVERY_S": "0.5",
    "TOCSIN_OTLP__TIMEOUT_S": "0.5",
    "TOCSIN_OTLP__QUEUE_MAX": "2",
    "TOCSIN_TRACES__RATIO": "1",
    "TOCSIN_TRACES__HELD_SPANS_MAX": "3",
}
"""One failure is enough, what is scheduled comes soon, and the collector of spans and lines is away."""


class Faults:
    """What stands between Tocsin and its FHIR server."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        """Media that are answered with 503."""
        self.searched, self._answered = threading.Event(), threading.Event()

    def __call__(self, _method: str, path: str) -> Reply | None:
        """A trouble of Proxy: the reconciliation's search hangs until `release`."""
        if "/Media?" in path:
            self.searched.set()
            self._answered.wait(60)
        return Reply(503) if any(path.endswith(each) for each in self.failing) else None

    def release(self) -> None:
        """Searches are answered from now on."""
        self._answered.set()


class Site:
    """A hospital whose pictures the reconciliation tells from those of other tests, and Tocsin's three processes in it."""

    def __init__(self, hospital: House, redis_url: str, faults: Faults, running: ExitStack) -> None:
        self.mark, self.faults, self._running = secrets.token_hex(4), faults, running
        self.source = f"urn:test:{self.mark}"
        self._numbers = count()
        own = {
            "TOCSIN_REDIS__URL": redis_url,
            "TOCSIN_REPORT__SOURCE": self.source,
            "TOCSIN_BACKFILL__MODALITY": f'["{self.source}|derm"]',
        }
        self.hospital = replace(hospital, variables={**hospital.variables, **SETTINGS, **own})

    def media(self, **changes: Any) -> tuple[str, str]:
        """A picture and its patient."""
        name = f"{self.mark}-{next(self._numbers)}"
        subject = self.hospital.record.patient(f"p-{name}")
        modality = {"coding": [*DERMOSCOPY["coding"], {"system": self.source, "code": "derm"}]}
        return self.hospital.record.media(name, subject, **{"modality": modality, **changes}), subject

    def announce(self, **changes: Any) -> str:
        """A picture whose event is on the bus."""
        media, subject = self.media(**changes)
        self.hospital.bus.announce(media, subject)
        return media

    def lose_an_event(self) -> None:
        """One event is judged, and the next deleted before anybody reads it."""
        media, subject = self.media()
        self.hospital.bus.announce(media, subject)
        with self.hospital.consuming("before"):
            self.judged()
        self.hospital.bus.announce(self.media()[0], subject)
        self.hospital.bus.forget()

    def judged(self) -> None:
        """Until every event has ended."""
        eventually(lambda: self.hospital.bus.lag() == 0, within_s=60, what="an ending for every event")

    def start(self, command: Command) -> Child:
        """`tocsin COMMAND`, until the test ends."""
        child = Child(launch(command, self.hospital.folder, self.hospital.variables, command))
        self._running.callback(child.stop, grace_s=20.0)
        return child

    def port(self, command: Command) -> int:
        """Where it answers Prometheus."""
        eventually(lambda: bool(said(self.hospital, READY[command], command)), within_s=90, what=f"the port of {command}")
        return int(said(self.hospital, READY[command], command)[0]["port"])

    def give_up_and_redrive(self) -> None:
        """The FHIR server fails on one event and serves others, until that event is a dead letter; then it serves it too."""
        media, subject = self.media()
        self.faults.failing.add(media)
        self.hospital.bus.announce(media, subject)
        eventually(lambda: bool(self.announce() and self._given_up()), within_s=60, what="the dead letter")
        self.faults.failing.clear()
        eventually(lambda: bool(self.hospital.record.reports_on(media)), within_s=60, what="the redriven event's report")

    def _given_up(self) -> bool:
        return any(letter.kind == "transient" for letter in self.hospital.bus.letters())

    def kill_and_reconcile(self, worker: Child) -> None:
        """The worker's process dies at a reconciliation; the next one finds the lost event's picture."""
        assert self.faults.searched.wait(60)
        for pid in children(worker):
            os.kill(pid, signal.SIGKILL)
        self.faults.release()
        topic = self.hospital.bus.settings.topic_backfill
        eventually(lambda: bool(self.hospital.bus.values(topic)), within_s=60, what="the announcement of what was lost")


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Prometheus, looked for before any part is started."""
    if not prometheus.is_installed():
        absent("no prometheus on the PATH: apt-get install prometheus")


@pytest.fixture
def site(kafka: Kafka, fhir_server: Fhir, triton: Triton, noop_card: Path, redis_server: Redis, tmp_path: Path) -> Iterator[Site]:
    Client.from_url(redis_server.url, socket_timeout=5.0).flushall()
    faults = Faults()
    with proxy(fhir_server.base_url) as between, ExitStack() as left_running:
        hospital = house(kafka=kafka.bootstrap_servers, fhir=between.base_url, triton=triton.grpc_url, card=noop_card, folder=tmp_path)
        left_running.callback(hospital.bus.close)
        made = Site(hospital, redis_server.url, faults, left_running)
        between.trouble = faults
        left_running.callback(faults.release)
        yield made


def week_before(source: str, model_version: str) -> Iterator[str]:
    """OpenMetrics: of yesterday, what no test has time for. The rules compare the last day with the week before it."""
    now = int(time.time())
    whose = f'job="tocsin-consume",instance="before",site="{source}",model_version="{model_version}",origin="live"'
    yield f"# TYPE {prometheus_name(EVENTS).removesuffix('_total')} counter"
    for ending, reason in (("published", "low"), ("not-assessable", "too-dark")):
        for hours, value in ((27, 10), (26, 20)):
            yield f'{prometheus_name(EVENTS)}{{{whose},ending="{ending}",reason="{reason}"}} {value} {now - hours * 3600}'


def unanswered(server: Prometheus) -> set[str]:
    """Where the queries stand that give no number."""
    return {query.where for query in dashboard_queries() if not server.ask(query.expr)}


def unrecorded(server: Prometheus) -> set[str]:
    """Recording rules that have given no number."""
    return {rule["record"] for rule in rules() if "record" in rule and not server.ask(rule["record"])}


@pytest.fixture
def watched(site: Site, noop_card: Path) -> Iterator[Prometheus]:
    """After events that were good, not assessable, refused, deferred, given up, lost; after a redrive and a reconciliation."""
    site.lose_an_event()
    site.announce()
    started = {command: site.start(command) for command in READY}
    ports = {f"tocsin-{command}": site.port(command) for command in READY}
    history = week_before(site.source, str(read_card(noop_card).model))
    with running(lambda: prometheus.start(site.hospital.folder / "prometheus", ports, history)) as server:
        eventually(lambda: bool(server.ask(prometheus_name(COMMITS))), within_s=60, what="a first scrape")
        site.announce(modality=None)
        site.hospital.bus.announce("Media/not-there", "Patient/not-there")
        site.kill_and_reconcile(started["work"])
        site.give_up_and_redrive()
        site.judged()
        yield server


def test_every_panel_is_answered_every_rule_gives_a_value_and_only_what_went_wrong_is_an_alert(watched: Prometheus, site: Site) -> None:
    comes_to_hold(lambda: unanswered(watched) == EMPTY.keys() and unrecorded(watched) == SILENT.keys(), within_s=30)
    assert unanswered(watched) == EMPTY.keys()
    assert unrecorded(watched) == SILENT.keys()
    assert EMPTY.keys() <= {query.where for query in dashboard_queries()}
    assert [rule for rule in watched.rules() if rule.error or not rule.evaluated] == []
    assert {rule.name for rule in watched.rules()} >= alerts().keys()
    comes_to_hold(lambda: watched.firing() == PROVOKED.keys(), within_s=10)
    assert watched.firing() == PROVOKED.keys()
