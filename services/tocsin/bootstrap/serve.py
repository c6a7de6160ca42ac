"""Composes what `tocsin serve` runs: its rooms, the sessions of its readers, the server and its health pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tocsin.bootstrap import cds, paper, review
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.journey import to_other_origins
from tocsin.bootstrap.page import looks_first, page
from tocsin.bootstrap.worklist import LAUNCH as LAUNCHED_AT
from tocsin.bootstrap.worklist import Followed, followed, kept
from tocsin.bootstrap.worklist import pages as worklist
from tocsin.clock import utc_now
from tocsin.errors import ConfigurationError
from tocsin.fhir.http import Http
from tocsin.fhir.reference import ServiceBase
from tocsin.kafka.lazy import LazySink
from tocsin.kafka.ports import EventSink
from tocsin.kafka.sink import KafkaSink
from tocsin.model_card import ModelCard
from tocsin.report.resources.issuer import issuer_of
from tocsin.serve.app import Room, make_app
from tocsin.serve.doors import OfRequest, without_session
from tocsin.serve.health import Watched, pages
from tocsin.serve.page.looks import Looks
from tocsin.serve.paper import blueprint as printed
from tocsin.serve.record import ReadersRecord, issuers_http
from tocsin.serve.server import App as WebApp
from tocsin.serve.server import Server, drain, serving
from tocsin.serve.sessions.browser import BrowserSessions
from tocsin.serve.sessions.looks import RedisLooks
from tocsin.serve.sessions.shelf import RedisShelf
from tocsin.serve.smart.asking import Asking
from tocsin.serve.smart.client import public_keys
from tocsin.serve.smart.discovery import Discovery
from tocsin.serve.smart.identity import Verifier
from tocsin.serve.smart.keys import Keys
from tocsin.serve.smart.launch import Launching
from tocsin.serve.smart.launch import blueprint as smart
from tocsin.serve.smart.preflight import ANOTHER, strangers
from tocsin.serve.types import RecordOf
from tocsin.settings import ServeSettings, Settings
from tocsin.telemetry.health_server import App
from tocsin.telemetry.health_server import serving as serving_health
from tocsin.telemetry.log import logger
from tocsin.telemetry.pings import Pings, watch_reached
from tocsin.work.health import RedisPing

SESSION: Final = "session"
LAUNCH: Final = "launch"
"""What is kept in Redis: a word for each (serve/sessions/shelf.py)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What rooms are made of."""

    settings: Settings
    sessions: BrowserSessions
    record: RecordOf
    http: Http
    """To issuers, with whatever proof each request carries."""
    card: ModelCard
    sink: EventSink
    origins: Http
    """To the other servers that pictures may lie on."""
    of_list: Followed
    looks: Looks


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    server: Server
    health_port: int
    settings: Settings
    ending: threading.Event

    def end(self) -> None:
        """Say not ready, go on for a moment so that balancers hear of it, and let requests under way finish."""
        self.ending.set()
        threading.Event().wait(self.settings.serve.linger_s)
        if not drain(self.server, self.settings.serve.drain_timeout_s):
            advice = "Look at the report before an act is repeated: each is in the record once, or not at all."
            logger().warning("requests were broken off at the end", detail=f"{self.server.under_way} under way", advice=advice)


@contextmanager
def serve(settings: Settings, metrics: App) -> Iterator[Running]:
    """Answer clinicians, and say over HTTP how the process is. Raises ConfigurationError; reaches out when it is first asked."""
    _checked(settings)
    ping, ending, found, of_list = RedisPing(settings.redis), threading.Event(), list[Server](), followed(settings)
    pings = Pings([ping], settings.metrics.ping_every_s, _say_reached)
    watch_reached(pings)

    def watched() -> Watched:
        redis, server = pings.reaches()[ping.neighbour], found[0]
        return Watched(server.turned_ago_s, server.under_way, ending.is_set(), redis, of_list.not_ready)

    with kept(of_list, settings), serving(app(settings, of_list), _listening(settings)) as server:
        found.append(server)
        with serving_health(settings.metrics, pages(watched), metrics) as port, pings.asking():
            yield Running(server, port, settings, ending)


def app(settings: Settings, of_list: Followed | None = None) -> WebApp:
    """The web application, whose worklist somebody keeps (`of_list`) or nobody. Raises ConfigurationError; reaches out to nobody yet."""
    of, http = settings.serve, issuers_http(settings.serve)
    sessions = BrowserSessions(RedisShelf(settings.redis, SESSION), of, utc_now)
    record = ReadersRecord(of, settings.fhir.answer_bytes_max, http)
    sink, card = LazySink(lambda: KafkaSink(settings.kafka)), card_in_use(settings.model)
    origins, whole = to_other_origins(settings, lambda: None), of_list or followed(settings)
    looks = RedisLooks(settings.redis, of.look_keep_s)
    parts = Parts(settings, sessions, record, http, card, sink, origins, whole, looks)
    return make_app(_rooms(parts), sessions, of)


def _listening(settings: Settings) -> ServeSettings:
    """How the server listens: it takes the largest body that any room takes, and each room refuses what is too large for itself."""
    largest = max(settings.serve.body_bytes_max, settings.cds.body_bytes_max if settings.cds.issuers else 0)
    return settings.serve.model_copy(update={"body_bytes_max": largest})


def _rooms(parts: Parts) -> Iterator[Room]:
    """The blueprint of each room."""
    yield _smart(parts)
    yield worklist(parts.of_list, parts.settings, parts.record)
    yield _page(parts)
    yield _paper(parts)
    if parts.settings.cds.issuers:
        yield _cds(parts)


def _smart(parts: Parts) -> Room:
    of, asking = parts.settings.serve, Asking(parts.http)
    return smart(
        Launching(
            settings=of,
            sessions=parts.sessions,
            shelf=RedisShelf(parts.settings.redis, LAUNCH),
            asking=asking,
            discovery=Discovery(asking, of.discovery_keep_s),
            verifier=Verifier(Keys(asking, of.discovery_keep_s), of.clock_skew_s),
            now=utc_now,
        )
    )


def _page(parts: Parts) -> Room:
    verdicts = review.desk(parts.settings, parts.card, parts.sink)
    return page(parts.settings, parts.card, verdicts, parts.of_list, OfRequest(), parts.record, parts.origins, parts.looks)


def _paper(parts: Parts) -> Room:
    settings = parts.settings
    desk = paper.desk(settings, settings.serve.zone)
    return printed(parts.record, desk, settings.paper.size, looks_first(settings, parts.looks))


def _cds(parts: Parts) -> Room:
    settings, public = parts.settings, parts.settings.serve.public_url.rstrip("/")
    return without_session(cds.routes(settings, issuer_of(parts.card, settings.report), parts.sink, public, public + LAUNCHED_AT))


def _checked(settings: Settings) -> None:
    """Raises ConfigurationError where no launch could succeed."""
    public_keys(settings.serve.issuers)
    for each in settings.serve.issuers.values():
        if each.client_secret_file is not None and not each.client_secret_file.is_file():
            raise ConfigurationError(f"TOCSIN_SERVE__ISSUERS client_secret_file {each.client_secret_file}: name a file that can be read")
    if others := strangers(settings.serve, ServiceBase((settings.fhir.base_url, *settings.fhir.also_known_as))):
        raise ConfigurationError(
            f"TOCSIN_SERVE__ISSUERS: {', '.join(others)} is no address of the FHIR server that verdicts are written to "
            f"(TOCSIN_FHIR__BASE_URL): {ANOTHER}"
        )


def _say_reached(neighbour: str, reached: bool, detail: str) -> None:
    if reached:
        logger().info("a neighbour answers again", neighbour=neighbour)
    else:
        advice = "Nobody has a session until it answers, and each page says so; `tocsin check` looks closer."
        logger().warning("a neighbour does not answer", neighbour=neighbour, detail=detail, advice=advice)
