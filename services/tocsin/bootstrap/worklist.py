"""Composes the worklist: kept current in `tocsin serve`, read anew for the tasks of `tocsin work` that rest on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tocsin.archive.ports import Archive
from tocsin.bootstrap.audit import drawn
from tocsin.bootstrap.card import card_in_use
from tocsin.clock import utc_now
from tocsin.fhir.client import FhirClient, http_of
from tocsin.fhir.http import Http
from tocsin.image.content import Contents
from tocsin.kafka.follower import KafkaTopicFollower
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.model_card import ModelCard
from tocsin.review.answered import Answered
from tocsin.review.channels import Mail, Webhook
from tocsin.review.ehr_tasks import FhirTasks, Inbox
from tocsin.review.following import Intake, following
from tocsin.review.measures import watch_worklist
from tocsin.review.notices import Channel, Notifier, Overdue, Writer
from tocsin.review.renewal import Renewal
from tocsin.review.worklist import Ranks, Worklist
from tocsin.serve.app import Room
from tocsin.serve.types import RecordOf, Role
from tocsin.serve.worklist.blueprint import Ports, Rules
from tocsin.serve.worklist.blueprint import blueprint as room
from tocsin.settings import NotifySettings, Settings
from tocsin.words.catalogue import catalogue

LAUNCH: Final = "/launch"
"""Where the EHR launches the pages, below TOCSIN_SERVE__PUBLIC_URL."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A worklist that follows the bus."""

    worklist: Worklist
    follower: KafkaTopicFollower

    def in_ehr(self, report: str) -> Answered | None:
        """What EHRs tell of answers to the cards of this DiagnosticReport/<id>; None where that is not known yet."""
        return self.worklist.in_ehr(report) if self.follower.whole else None

    @property
    def not_ready(self) -> list[str]:
        """Why the list is not whole yet; empty where it is."""
        if self.follower.whole:
            return []
        return [f"the worklist is being read from the bus: {len(self.worklist)} reports so far; {self.follower.detail or 'going on'}"]


def followed(settings: Settings) -> Followed:
    """The worklist, empty yet. Raises ConfigurationError; reaches out to nobody before `kept`."""
    kafka, feedback = settings.kafka, _topic_feedback(settings)
    topics = (kafka.topic_flags, kafka.topic_verdicts, *([] if feedback is None else [feedback]))
    return Followed(_worklist(settings, card_in_use(settings.model)), KafkaTopicFollower(kafka, topics))


@contextmanager
def kept(of: Followed, settings: Settings) -> Iterator[None]:
    """Read the worklist from the bus and keep it current until the block ends, and measure it."""
    watch_worklist(of.worklist, lambda: of.follower.behind_s, overdue(settings, card_in_use(settings.model)), utc_now)
    with following(of.follower, _intake(of.worklist, settings)):
        yield


def pages(of: Followed, settings: Settings, record_of: RecordOf) -> Room:
    """The room of `tocsin serve` that shows it."""
    origins = Http(
        connect_timeout_s=settings.fhir.connect_timeout_s,
        request_timeout_s=settings.serve.issuer_timeout_s,
        proxy_url=settings.image.proxy_url,
        tls_ca_file=settings.image.tls_ca_file,
        group="IMAGE",
    )
    list_of, card = settings.worklist, card_in_use(settings.model)
    return room(
        Ports(record_of, of.worklist, of.follower, lambda fhir: Contents(fhir, origins, settings.image), utc_now),
        Rules(
            zone=settings.serve.zone,
            card=card,
            page_rows=list_of.page_rows,
            looked_at_max=list_of.looked_at_max,
            stale_after_s=list_of.stale_after_s,
            pixels_max=settings.image.pixels_max,
            by_cards=bool(settings.cds.issuers),
            blind=frozenset(map(Role, settings.page.first_look_roles)),
        ),
    )


def overdue(settings: Settings, card: ModelCard) -> Overdue:
    """When a flag is overdue. Raises ConfigurationError for a band that the card does not have."""
    return Overdue.of(settings.notify.after_s, settings.notify.bands, card.operating_point.bands)


def notify(settings: Settings) -> None:
    """Tell people of overdue flags, by each way that the settings name. Raises as Notifier.notify."""
    channels, card, topics = channels_of(settings.notify), card_in_use(settings.model), settings.kafka
    if not channels:
        return
    link = (settings.notify.link_url or settings.serve.public_url).rstrip("/")
    language = settings.notify.language
    bands = {each.code: card.say(each.display, language) for each in card.operating_point.bands}
    writer = Writer(catalogue(language), bands, link)
    with closing(KafkaTopicReader(topics)) as reader, closing(KafkaSink(topics)) as sink:
        rows = as_it_stands(reader, settings, card).rows()
        limits = (settings.notify.flags_max, settings.notify.per_hour_max)
        Notifier(reader, sink, topics.topic_notices, channels, writer, overdue(settings, card), *limits).notify(rows, utc_now())


def channels_of(settings: NotifySettings) -> list[Channel]:
    """The ways to people that the settings name."""
    found: list[Channel] = []
    if settings.webhook_url is not None:
        found.append(Webhook(settings))
    if settings.smtp_host is not None:
        found.append(Mail(settings))
    return found


def update_tasks(settings: Settings) -> None:
    """Bring the Tasks in the EHR's inbox up to date. Raises as Inbox.update."""
    card = card_in_use(settings.model)
    inbox = Inbox(
        FhirTasks(FhirClient(settings.fhir, http_of(settings.fhir))),
        settings.serve.public_url.rstrip("/") + LAUNCH,
        card.operating_point.bands[-1].code,
        settings.report.source,
        timedelta(seconds=settings.worklist.ehr_tasks_window_s),
    )
    with closing(KafkaTopicReader(settings.kafka)) as reader:
        inbox.update(as_it_stands(reader, settings, card).rows(), utc_now())


def renew(settings: Settings, archive: Archive) -> None:
    """Announce again what retention would take unread. Raises as Renewal.renew."""
    of, topics = settings.worklist, settings.kafka
    with closing(KafkaTopicReader(topics)) as reader, closing(KafkaSink(topics)) as sink:
        rows = as_it_stands(reader, settings, card_in_use(settings.model)).rows()
        after = timedelta(seconds=of.renew_after_s)
        Renewal(archive, reader, sink, topics, settings.report.source, after, of.renew_batch_max).renew(rows, utc_now())


def as_it_stands(reader: TopicReader, settings: Settings, card: ModelCard) -> Worklist:
    """The worklist as the bus has it now. Raises as TopicReader.read."""
    worklist = _worklist(settings, card)
    intake = _intake(worklist, settings)
    for topic in (settings.kafka.topic_flags, settings.kafka.topic_verdicts):
        for record in reader.read(topic, intake.since()):
            intake.take(record)
    return worklist


def _worklist(settings: Settings, card: ModelCard) -> Worklist:
    return Worklist(Ranks.of(card.operating_point.bands), settings.worklist.rows_max, drawn(settings, card))


def _intake(worklist: Worklist, settings: Settings) -> Intake:
    window = timedelta(seconds=settings.worklist.window_s)
    return Intake(worklist, settings.kafka.topic_flags, window, utc_now, _topic_feedback(settings))


def _topic_feedback(settings: Settings) -> str | None:
    """The topic of feedback, where there is an EHR that may tell of cards."""
    return settings.kafka.topic_feedback if settings.cds.issuers else None
