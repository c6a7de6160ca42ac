"""Composes CDS Hooks: the routes that `tocsin serve` has for EHRs, and how `tocsin check` looks at their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.clock import utc_now
from tocsin.fhir.http import Http
from tocsin.kafka.ports import EventSink
from tocsin.report.resources.compose import Issuer as Writer
from tocsin.report.words import Wording
from tocsin.review.cards import Kind, Presentation
from tocsin.review.feedback_bus import KafkaFeedbacks
from tocsin.serve.cds.callers import Callers, Issuer
from tocsin.serve.cds.keys import KeySet, Patience, from_file, over_http
from tocsin.serve.cds.once import CardsHere, OnceHere, Shared
from tocsin.serve.cds.preflight import cds_preflight
from tocsin.serve.cds.records import Connections
from tocsin.serve.cds.routes import Routes, blueprint
from tocsin.serve.cds.service import Service
from tocsin.settings import CdsSettings, RedisSettings, Settings
from tocsin.telemetry.preflight import Check
from tocsin.work.redis_client import redis_client

REDIS_SHARE: Final = 0.2
"""Part of a call's time that Redis may take."""


def routes(settings: Settings, writer: Writer, sink: EventSink, public_url: str, launch_url: str) -> Routes:
    """The routes of CDS Hooks. `public_url` is how EHRs reach this server, `launch_url` where the review page's SMART launch begins.

    Reaches out to nobody yet. Raises ConfigurationError.
    """
    cds = settings.cds
    shared = Shared(redis_client(_in_time(settings.redis, cds)), OnceHere(cds.replays_max), CardsHere(), cds.cards_keep_s)
    service = Service(
        cds,
        _presentation(cds, writer, launch_url),
        writer,
        _connections(cds),
        KafkaFeedbacks(sink, settings.kafka.topic_feedback),
        shared,
        utc_now,
    )
    return blueprint(service, Callers(issuers(cds), shared), public_url.rstrip("/"))


def preflight(cds: CdsSettings, *, of_serve: bool = False) -> Iterator[Check]:
    """The checks of each issuer's keys; `of_serve`: whether whoever looks has the files of `tocsin serve`."""
    return cds_preflight(issuers(cds).values(), of_serve=of_serve)


def issuers(cds: CdsSettings) -> dict[str, Issuer]:
    """The EHRs that may call, by the iss of their tokens."""
    http = Http(
        connect_timeout_s=cds.keys_timeout_s,
        request_timeout_s=cds.keys_timeout_s,
        proxy_url=cds.proxy_url,
        tls_ca_file=cds.tls_ca_file,
        group="CDS",
    )
    patience = Patience(cds.keys_keep_s, cds.keys_keep_max_s, cds.keys_ask_every_s)
    found = dict[str, Issuer]()
    for name, agreed in cds.issuers.items():
        reads = {url: over_http(http, url) for url in agreed.jku} if agreed.jwks_file is None else {"": from_file(agreed.jwks_file)}
        found[name] = Issuer(name, agreed, {address: KeySet(read, patience) for address, read in reads.items()})
    return found


def _presentation(cds: CdsSettings, writer: Writer, launch_url: str) -> Presentation:
    return Presentation(
        words=Wording(writer.card, cds.language),
        shown=frozenset(map(Kind, cds.shown)),
        cards_max=cds.cards_max,
        launch_url=launch_url,
        card_url=cds.card_url,
        indicators=cds.indicators,
    )


def _connections(cds: CdsSettings) -> Connections:
    def http(share: float) -> Http:
        wait_s = cds.answer_within_s * share
        return Http(connect_timeout_s=wait_s, request_timeout_s=wait_s, proxy_url=cds.proxy_url, tls_ca_file=cds.tls_ca_file, group="CDS")

    return Connections(http(0.4), http(0.2), cds.body_bytes_max)


def _in_time(redis: RedisSettings, cds: CdsSettings) -> RedisSettings:
    return redis.model_copy(update={"connect_timeout_s": min(redis.connect_timeout_s, cds.answer_within_s * REDIS_SHARE)})
