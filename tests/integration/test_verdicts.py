"""A verdict on a real bus and a real record: whoever dies, it is in the record once, or the bus says that it is not."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient
from pydantic import SecretStr
from tocsin.bootstrap.learn import labels_of_record, pictures_of_record
from tocsin.bootstrap.review import desk, pathology, retry
from tocsin.bootstrap.work import archive_of
from tocsin.cli.commands import app
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.image.decode import Decoder
from tocsin.image.gate import acceptance
from tocsin.image.memory_budget import Allowance
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.records import encode
from tocsin.kafka.sink import KafkaSink
from tocsin.learning.pictures import of_media
from tocsin.learning.run import Judging
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.review.ledger import Entry, entries, said
from tocsin.review.outcomes import Finding, Link, Outcome
from tocsin.review.types import Act, State, Verdict
from tocsin.risk.look import Judge
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import AuditSettings, FhirSettings, KafkaSettings, ReportSettings, Settings
from typer.testing import CliRunner

from tests.fakes.stages import FakeClassifier
from tests.support.pictures import encoded, textured
from tests.support.records import below
from tests.support.relay import ConnectionCut, Request, relay, server_at
from tests.support.reviewing import FhirWard
from tests.support.web import Reply

ROOT = Path(__file__).parents[2]


class Clinic:
    """A ward whose verdicts go over topics of this test alone."""

    def __init__(self, kafka: Kafka, fhir: Fhir) -> None:
        mark = secrets.token_hex(4)
        self.ward = FhirWard(fhir.base_url)
        self.kafka = KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers, topic_verdicts=f"verdicts-{mark}", topic_flags=f"flags-{mark}", connect_timeout_s=5
        )
        with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
            described = {"num_partitions": 2, "replication_factor": 1}
            admin.create_topics({self.kafka.topic_verdicts: described, self.kafka.topic_flags: described}, wait_for_metadata=True)

    def settings(self, base_url: str) -> Settings:
        """As a process has them that is given this address of the FHIR server."""
        fhir = FhirSettings(base_url=base_url, also_known_as=(self.ward.issuer,), connect_timeout_s=1)
        return Settings(kafka=self.kafka, fhir=fhir, report=ReportSettings(source=self.ward.of.issuer.source))

    def variables(self, base_url: str) -> dict[str, str]:
        return {
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "TOCSIN_KAFKA__TOPIC_VERDICTS": self.kafka.topic_verdicts,
            "TOCSIN_KAFKA__TOPIC_FLAGS": self.kafka.topic_flags,
            "TOCSIN_FHIR__BASE_URL": base_url,
            "TOCSIN_FHIR__ALSO_KNOWN_AS": orjson.dumps([self.ward.issuer]).decode(),
            "TOCSIN_REPORT__SOURCE": self.ward.of.issuer.source,
        }

    def decide(self, act: Act = Act.ACCEPT, **changes: Any) -> Verdict:
        now = datetime.now(UTC)
        own: dict[str, Any] = {"source": self.ward.of.issuer.source, "opened_at": now - timedelta(seconds=5), "decided_at": now}
        return self.ward.decide(act, **(own | changes))

    @contextmanager
    def desk_at(self, base_url: str) -> Iterator[Any]:
        with closing(KafkaSink(self.kafka)) as sink:
            yield desk(self.settings(base_url), read_card(packaged(REFERENCE_CARD)), sink)

    def retried(self) -> int:
        """How many verdicts a run of the task brings to an ending; the grace of those that took them is over."""
        with retry(self.settings(self.ward.issuer)) as open_verdicts:
            return open_verdicts.run(datetime.now(UTC) + timedelta(minutes=2))

    def ledger(self) -> list[Entry]:
        with closing(KafkaTopicReader(self.kafka)) as reader:
            return entries(reader, self.kafka.topic_verdicts)

    def flags(self) -> list[dict[str, Any]]:
        with closing(KafkaTopicReader(self.kafka)) as reader:
            return [orjson.loads(each.value or b"") for each in reader.read(self.kafka.topic_flags)]


@pytest.fixture
def clinic(kafka: Kafka, fhir_server: Fhir) -> Clinic:
    return Clinic(kafka, fhir_server)


def test_a_verdict_taken_while_the_record_is_away_goes_in_afterwards_and_the_command_lists_it(clinic: Clinic) -> None:
    first = clinic.decide(Act.CORRECT, code="mel")
    with clinic.desk_at("http://127.0.0.1:9/fhir") as away:
        assert away.submit(first).state is State.WAITING
    assert [(each.state, clinic.ward.status()) for each in clinic.ledger()] == [(State.WAITING, "preliminary")]
    assert clinic.retried() == 1
    with clinic.desk_at(clinic.ward.issuer) as there:
        undone = there.submit(clinic.decide(Act.UNDO, undoes=first.id))
    assert (undone.state, clinic.ward.status()) == (State.RECORDED, "preliminary")
    assert [each["status"] for each in clinic.flags()] == ["amended", "preliminary"]
    listed = CliRunner().invoke(app, ["verdicts", "--json"], env=clinic.variables(clinic.ward.issuer))
    rows = [orjson.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["act"], row["code"], row["state"]) for row in rows] == [("correct", "mel", "recorded"), ("undo", None, "recorded")]
    told = CliRunner().invoke(app, ["verdicts", "--state", "waiting"], env=clinic.variables(clinic.ward.issuer))
    assert told.stdout.strip() == "0 verdict(s): none."


POINTS = {
    "as it sends the transaction": ("POST", "", False),
    "after the server took the transaction": ("POST", "", True),
    "after the record has it and before its flag is told": ("GET", "DiagnosticReport/", "again"),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_is_killed_at_any_moment_of_a_verdict_leaves_it_in_the_record_once_or_visibly_not(
    clinic: Clinic, fhir_server: Fhir, point: str
) -> None:
    method, path, when = POINTS[point]
    ask, killed, posted = server_at(fhir_server.base_url.removeprefix("http://").partition("/")[0]), list[str](), list[str]()
    decided = clinic.decide()

    def answer(request: Request) -> Reply:
        if request.method == "POST":
            posted.append(request.path)
        if not killed and request.method == method and path in request.path and (when != "again" or posted):
            if when is True:
                ask(request)
            killed.append(request.path)
            process.kill()
            raise ConnectionCut
        return ask(request)

    with relay(answer) as origin:
        environment = os.environ | clinic.variables(f"{origin}/fhir")
        command = [sys.executable, "-m", "tests.support.dying_desk"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT)
        process.communicate(decided.model_dump_json().encode(), timeout=60)
    assert (bool(killed), process.returncode) == (True, -9)
    assert [(each.verdict.id, each.standing) for each in clinic.ledger()] == [(decided.id, None)]
    assert clinic.retried() == 1
    assert [(each.state, clinic.ward.status()) for each in clinic.ledger()] == [(State.RECORDED, "final")]
    assert len([each for each in clinic.ward.provenances() if "activity" in each]) == 1
    assert [each["status"] for each in clinic.flags()] == ["final"]
    assert clinic.retried() == 0


def test_what_pathology_says_of_the_specimen_is_told_once_and_again_when_it_changes_and_is_no_agreement(clinic: Clinic) -> None:
    ward, fhir, mark = clinic.ward, clinic.ward.of.fhir, clinic.ward.of.mark
    patient = {"reference": ward.made.subject}
    order, specimen, histology = ({"reference": f"{kind}/h-{mark}"} for kind in ("ServiceRequest", "Specimen", "DiagnosticReport"))
    fhir.put({"resourceType": "ServiceRequest", "id": f"h-{mark}", "status": "active", "intent": "order", "subject": patient})
    fhir.put({"resourceType": "Specimen", "id": f"h-{mark}", "subject": patient, "request": [order]})
    fhir.put(ward.of.read(ward.made.media) | {"basedOn": [order]})
    found = {
        "resourceType": "DiagnosticReport",
        "id": f"h-{mark}",
        "status": "preliminary",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "PAT"}]}],
        "code": {"text": "Histology"},
        "subject": patient,
        "specimen": [specimen],
        "conclusionCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "93655004"}]}],
    }
    settings = clinic.settings(ward.issuer)

    def look() -> int:
        with pathology(settings, archive_of(settings)) as laboratory:
            return laboratory.find(datetime.now(UTC))

    fhir.put(found)
    assert look() == 0
    fhir.put(found | {"status": "final"})
    assert (look(), look()) == (1, 0)
    fhir.put(found | {"status": "amended"})
    assert look() == 1
    fhir.put(found | {"status": "entered-in-error"})
    assert (look(), look()) == (1, 0)
    with closing(KafkaTopicReader(clinic.kafka)) as reader:
        outcomes = list(said(reader, clinic.kafka.topic_verdicts))
    assert [each.model_dump(include={"kind", "found", "report", "status", "link"}) for each in outcomes] == [
        {"kind": "outcome", "found": histology["reference"], "report": ward.made.reference, "status": status, "link": "specimen"}
        for status in ("final", "amended", "entered-in-error")
    ]
    assert (clinic.ledger(), ward.status()) == ([], "preliminary")


def test_what_pathology_said_is_a_label_whose_picture_is_judged_from_the_record(clinic: Clinic) -> None:
    ward, card, now = clinic.ward, read_card(packaged(REFERENCE_CARD)), datetime.now(UTC)
    picture = {"contentType": "image/jpeg", "data": base64.b64encode(encoded(textured())).decode()}
    dermoscopy = {"coding": [{"system": DICOM_MODALITY, "code": "DMS"}]}
    ward.of.fhir.put(ward.of.read(ward.made.media) | {"content": picture, "modality": dermoscopy})
    spoken = Outcome(
        source=ward.of.issuer.source,
        report=ward.made.reference,
        media=ward.made.media,
        subject=ward.made.subject,
        found="Observation/h1",
        status="final",
        link=Link.MEDIA,
        findings=(Finding(system="http://snomed.info/sct", code="93655004"),),
        at=now,
    )
    elsewhere = spoken.model_copy(update={"source": "urn:another:site", "media": "Media/another"})
    with closing(KafkaSink(clinic.kafka)) as sink:
        for each in (spoken, elsewhere):
            sink.send(clinic.kafka.topic_verdicts, each.report.encode(), encode(each), ())
    settings = clinic.settings(ward.issuer)
    [label] = labels_of_record(settings, card, {})
    asked = of_media(label, pictures_of_record(settings), card.facts, lambda: now)
    decoder = Decoder(Allowance(100_000_000, 10), pixels_max=1_000_000, reduce_to_px=None)
    judge = Judge(decoder, acceptance(card, settings.image), FakeClassifier(card), card)
    judging = Judging(judge, at_once=1, give_up_after_s=5)
    scored = judging.score(asked)
    assert (scored.picture, scored.malignant, scored.label_kind) == (ward.made.media, True, "pathology")
    assert scored.score is not None, scored.refusal
    assert ward.status() == "preliminary"


def test_a_label_is_weighted_by_what_the_record_says_of_its_report_where_the_bus_no_longer_does(clinic: Clinic) -> None:
    ward, card = FhirWard(clinic.ward.issuer, judged=below), read_card(packaged(REFERENCE_CARD))
    benign = Outcome(
        source=ward.of.issuer.source,
        report=ward.made.reference,
        media=ward.made.media,
        subject=ward.made.subject,
        found="Observation/h1",
        status="final",
        link=Link.MEDIA,
        findings=(Finding(system="http://snomed.info/sct", code="400096001"),),
        at=datetime.now(UTC),
    )
    with closing(KafkaSink(clinic.kafka)) as sink:
        sink.send(clinic.kafka.topic_verdicts, benign.report.encode(), encode(benign), ())
    bare = clinic.settings(ward.issuer).model_copy(update={"report": ReportSettings(source=ward.of.issuer.source)})
    secret, since = secrets.token_hex(16), datetime(2020, 1, 1, tzinfo=UTC)
    audit = AuditSettings(rate=1.0, probability_max=1.0, secret=SecretStr(secret), since=since)
    [unsought] = labels_of_record(bare, card, {})
    [drawn] = labels_of_record(bare.model_copy(update={"audit": audit}), card, {})
    assert (unsought.said.sought, drawn.said.sought, drawn.said.weight) == (False, True, 1.0)
