"""Composes how `tocsin check` looks at each neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path

from tocsin.archive.preflight import archive_preflight
from tocsin.archive.sources import sources_preflight
from tocsin.archive.types import Query
from tocsin.bootstrap import cds, trace
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.journey import to_other_origins
from tocsin.bootstrap.work import archive_of, modalities_wanted
from tocsin.clock import utc_now
from tocsin.fhir.client import FhirClient
from tocsin.fhir.preflight import fhir_preflight
from tocsin.fhir.reference import ServiceBase
from tocsin.fidelity.answers import read_answers
from tocsin.fidelity.check import arithmetic_of, pictures_check
from tocsin.fidelity.look import Looking
from tocsin.image.content import Contents
from tocsin.image.loops.choice import chosen
from tocsin.image.preflight import binary_check, loops_check, named_pictures, pictures_preflight
from tocsin.inference.preflight import triton_preflight
from tocsin.inference.triton import TritonClassifier
from tocsin.kafka.preflight import Role, kafka_preflight
from tocsin.learning.monthly.shelf import shelf_preflight
from tocsin.report.resources.issuer import Issuer, issuer_of
from tocsin.report.resources.selfcheck import check_reports
from tocsin.report.store.preflight import report_preflight
from tocsin.settings import Settings
from tocsin.site.file import site_of, site_sha256
from tocsin.site.parts import SiteFile
from tocsin.telemetry.otlp_preflight import otlp_preflight
from tocsin.telemetry.preflight import Check, Preflight
from tocsin.terminal import Progress
from tocsin.work.preflight import redis_preflight
from tocsin.work.redis_client import address


def preflights(settings: Settings, environment: Mapping[str, str], role: Role | None = None) -> list[Preflight]:
    """The preflight of each neighbour, and of the model card first. Raises ConfigurationError; reaches out to nobody yet.

    `environment` holds OpenTelemetry's own variables. On the bus the rights that `role` needs are looked for; None: everybody's.
    Of the files that issuers refer to, one that is not here is a failure for `serve` alone.
    """
    card = card_in_use(settings.model)
    issuer = issuer_of(card, settings.report)
    check_reports(issuer)
    fit = [Check("card", str(settings.model.card), True, f"{card.title}, {card.model}; its reports are FHIR", "")]
    if (site := site_of(card)) is not None:
        fit.append(Check("card", str(settings.model.site_file), True, _site_said(site), ""))
    kafka, fhir, triton, redis = settings.kafka, settings.fhir, settings.triton, settings.redis
    source, image, traces = settings.report.source, settings.image, settings.traces
    origins, of_serve = ", ".join(image.url_origins_allowed), role == "serve"
    return [
        Preflight("card", lambda: iter(fit)),
        Preflight("kafka", lambda: kafka_preflight(kafka, role), kafka.bootstrap_servers, "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"),
        Preflight("fhir", lambda: _record_preflight(settings, issuer), fhir.base_url, "TOCSIN_FHIR__BASE_URL"),
        Preflight(
            "image",
            lambda: chain([loops_check(chosen())], pictures_preflight(to_other_origins(settings, lambda: None), image)),
            origins,
            "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED",
        ),
        Preflight("triton", lambda: triton_preflight(triton, card, settings.model.card), triton.grpc_url, "TOCSIN_TRITON__GRPC_URL"),
        Preflight("redis", lambda: redis_preflight(redis), str(address(redis)), "TOCSIN_REDIS__URL"),
        Preflight("ehr", lambda: _ehr_preflight(settings, of_serve), ", ".join(settings.serve.issuers), "TOCSIN_SERVE__ISSUERS"),
        Preflight("otlp", lambda: otlp_preflight(settings.otlp), settings.otlp.endpoint or "", "TOCSIN_OTLP__ENDPOINT"),
        Preflight("traces", lambda: trace.look(traces, environment), traces.query_url or "", "TOCSIN_TRACES__QUERY_URL"),
        Preflight("cds", lambda: cds.preflight(settings.cds, of_serve=of_serve), ", ".join(settings.cds.issuers), "TOCSIN_CDS__ISSUERS"),
        Preflight("watch", lambda: shelf_preflight(settings.watch.report_folder), "", "TOCSIN_WATCH__REPORT_FOLDER"),
        Preflight("report", lambda: sources_preflight(FhirClient(fhir), source), fhir.base_url, "TOCSIN_FHIR__BASE_URL"),
    ]


def known_pictures(settings: Settings, folder: Path) -> Callable[[Progress], Check]:
    """What asks Triton about the folder's pictures, whose answers are known. Raises ConfigurationError; reaches out to nobody yet.

    What flips is told by the bands in use, the site file's where one is set.
    """
    card = card_in_use(settings.model)
    arithmetic_of(card)
    known = read_answers(folder, card)

    def ask(progress: Progress) -> Check:
        with closing(TritonClassifier(settings.triton, card)) as classifier:
            return pictures_check(known, folder, Looking(classifier, card, settings.image.pixels_max), progress)

    return ask


def _site_said(site: SiteFile) -> str:
    """What is used here, so that a person can tell whether it is what they meant."""
    guarantee, carried = site.guarantee, site.evaluation
    shown = "no sensitivity shown" if guarantee is None else f"sensitivity at least {guarantee.sensitivity_at_least:.3f} shown"
    since = "" if carried is None else f", in use since {carried.carried_on.date()}"
    return f"{site} (sha256 {site_sha256(site)[:12]}...) fits {site.model}: {site.calibration.kind}, {shown}{since}"


def _ehr_preflight(settings: Settings, of_serve: bool) -> Iterator[Check]:
    """The checks of the EHRs that may launch the pages."""
    if not settings.serve.issuers:
        return iter(())
    from tocsin.serve.record import issuers_http  # cryptography and Flask, which no other check needs
    from tocsin.serve.smart.asking import Asking
    from tocsin.serve.smart.preflight import ehr_preflight

    record = ServiceBase((settings.fhir.base_url, *settings.fhir.also_known_as))
    return ehr_preflight(settings.serve, Asking(issuers_http(settings.serve)), record, of_serve=of_serve)


def _record_preflight(settings: Settings, issuer: Issuer) -> Iterator[Check]:
    """The checks of the FHIR server and of named pictures; a server that does not answer is asked nothing more."""
    fhir, others, answers = FhirClient(settings.fhir), to_other_origins(settings, lambda: None), False
    contents = Contents(fhir, others, settings.image)
    for each in fhir_preflight(fhir, utc_now):
        answers = answers or each.passed is True
        yield each
    if answers:
        yield binary_check(contents)
        yield from report_preflight(fhir, issuer)
        yield from archive_preflight(fhir, archive_of(settings), Query(modality=modalities_wanted(settings)), utc_now())
    yield from named_pictures(contents, settings.image)
