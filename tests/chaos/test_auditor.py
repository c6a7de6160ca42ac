"""The auditor sees what it is there to see, and nothing else; it knows nothing of the product."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import Child, Launch

from tests.chaos.auditor import Findings, audit, judge, waiting
from tests.chaos.evidence import Bus, Provenance, Record, Report, Seen, Topics, read_bus
from tests.chaos.manifest import Event, Manifest, read_manifest, write_manifest
from tests.support.pictures import encoded, textured
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
EVENTS = 20
PICTURE = encoded(textured(64, 48))


def test_the_auditor_shares_no_code_with_the_product() -> None:
    code = "import sys, tests.chaos.auditor; print([name for name in sys.modules if name.split('.')[0] == 'tocsin'])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# On made-up evidence: one of each thing that can be wrong.


def event(number: int = 1, *, content: str = "c1", expects: str = "published", media: str | None = None) -> Event:
    value = base64.b64encode(f"event {number}".encode()).decode()
    return Event(f"e{number}", value, media or f"Media/m{number}", f"Patient/p{number}", content, expects)


def flag(of: Event, *, report: str | None = None, content: str | None = None, **changes: Any) -> dict[str, Any]:
    report = report or f"DiagnosticReport/r-{of.media}-{content or of.content}".replace("Media/", "")
    return {
        "id": f"flag {report}",
        "report": report,
        "media": of.media,
        "subject": of.subject,
        "status": "preliminary",
        "outcome": "assessed",
        "content_sha256": content or of.content,
        "event": of.id,
    } | changes


def letter(of: Event, *, offset: int = 0, kind: str = "permanent", reason: str = "not-an-image") -> dict[str, Any]:
    return {"class": kind, "reason": reason, "original": {"topic": "imaging", "partition": 0, "offset": offset, "value": of.value}}


def report(of: dict[str, Any], *, status: str = "preliminary", subject: str | None = None) -> Report:
    return Report(of["report"], status, subject or of["subject"], (of["media"],))


def evidence(*events: Event, flags: list[dict[str, Any]], letters: list[dict[str, Any]] | None = None) -> tuple[Manifest, Bus]:
    contents: dict[str, list[str]] = {}
    for each in events:
        if each.media is not None and each.content is not None:
            contents.setdefault(each.media, []).append(each.content)
    seen = [Seen(("imaging", 0, place), base64.b64decode(each.value)) for place, each in enumerate(events)]
    return Manifest(events, contents), Bus(seen, flags, letters or [], {"imaging": 0}, {("imaging", 0): len(events)})


def found(
    *events: Event,
    flags: list[dict[str, Any]] | None = None,
    letters: list[dict[str, Any]] | None = None,
    reports: list[Report] | None = None,
    provenances: list[Provenance] | None = None,
) -> Findings:
    """What the auditor finds; each flag has its report unless told."""
    flags = flags or []
    standing = list({each["report"]: report(each) for each in flags}.values()) if reports is None else reports
    return judge(*evidence(*events, flags=flags, letters=letters), Record(standing, provenances or []))


def test_an_event_with_one_report_and_its_flag_is_as_it_should_be() -> None:
    findings = found(event(), flags=[flag(event())])
    assert findings.clean
    assert (findings.lost, findings.duplicated, findings.endings) == (0, 0, {"published": 1})


def test_an_event_that_was_never_committed_and_was_refused_or_judged_all_the_same_is_seen() -> None:
    never = Event("never", base64.b64encode(b'{"id": "never"}').decode(), None, None, None, "")
    manifest, bus = evidence(event(), flags=[flag(event())], letters=[])
    told = replace(bus, letters=[letter(never)], flags=[*bus.flags, flag(event(), event="never")])
    assert judge(replace(manifest, aborted=(never.value,)), bus, Record([report(flag(event()))], [])).aborted == ()
    seen = judge(replace(manifest, aborted=(never.value,)), told, Record([report(flag(event()))], []))
    assert len(seen.aborted) == 2
    assert not seen.clean


def test_a_flag_told_again_is_counted_apart_and_no_duplicate() -> None:
    findings = found(event(), flags=[flag(event()), flag(event())])
    assert findings.clean
    assert findings.repeated == 1


def test_a_picture_expected_to_be_not_assessable_has_ended_when_its_flag_says_so() -> None:
    dark = event(expects="not-assessable")
    assert found(dark, flags=[flag(dark, outcome="not-assessable")]).clean
    assert found(dark, flags=[flag(dark)]).lost == 1


@pytest.mark.parametrize(
    ("expects", "kind", "reason", "lost"),
    [
        ("refused:not-an-image", "permanent", "not-an-image", 0),
        ("refused:any", "permanent", "not-an-image", 0),
        ("refused:not-json", "permanent", "not-an-image", 1),
        ("poison", "poison", "poison", 0),
        ("poison", "permanent", "not-an-image", 1),
        ("published", "permanent", "not-an-image", 1),
        ("published", "poison", "poison", 1),
        ("refused:any", "transient", "attempts-exhausted", 1),
    ],
)
def test_a_dead_letter_is_an_ending_only_where_the_event_had_to_end_so(expects: str, kind: str, reason: str, lost: int) -> None:
    bad = event(expects=expects)
    assert found(bad, letters=[letter(bad, kind=kind, reason=reason)]).lost == lost


def test_an_event_with_nothing_is_lost_and_it_is_said_whether_the_group_has_committed_past_it() -> None:
    manifest, bus = evidence(event(), flags=[])
    assert "committed past it): no ending" in judge(manifest, bus, Record([], [])).losses[0]
    assert "not committed): no ending" in judge(manifest, replace(bus, committed={}), Record([], [])).losses[0]
    assert [each.id for each in waiting(manifest, bus)] == ["e1"]


def test_a_report_without_a_flag_or_a_flag_without_a_standing_report_is_a_lost_event() -> None:
    told = flag(event())
    assert found(event(), reports=[report(told)]).lost == 1
    assert found(event(), flags=[told], reports=[]).lost == 1
    assert found(event(), flags=[told], reports=[report(told, status="entered-in-error")]).lost == 1


def test_an_event_that_kafka_acknowledged_and_does_not_hold_is_lost() -> None:
    manifest, bus = evidence(event(), flags=[flag(event())])
    assert judge(manifest, replace(bus, events=[]), Record([report(flag(event()))], [])).lost == 1


def test_an_event_that_the_product_announced_itself_and_never_took_up_is_lost() -> None:
    manifest, bus = evidence(event(), flags=[flag(event())])
    left = judge(manifest, replace(bus, uncommitted={"imaging": 0, "backfill": 2}), Record([report(flag(event()))], []))
    assert left.lost == 2
    late = judge(manifest, replace(bus, uncommitted={"imaging": 1, "backfill": 0}), Record([report(flag(event()))], []))
    assert late.lost == 0
    assert not late.clean


def test_a_transient_dead_letter_waits_and_is_no_second_ending_once_the_event_was_published() -> None:
    given_up = letter(event(), kind="transient", reason="attempts-exhausted")
    manifest, bus = evidence(event(), flags=[], letters=[given_up])
    assert [each.id for each in waiting(manifest, bus)] == ["e1"]
    assert found(event(), flags=[flag(event())], letters=[given_up]).clean


def test_two_effective_reports_on_one_picture_are_a_duplicate_whatever_their_flags_say() -> None:
    first, second = flag(event()), flag(event(), report="DiagnosticReport/other")
    assert len(found(event(), flags=[first], reports=[report(first), report(second)]).duplicated_reports) == 1
    twice = found(event(), flags=[first, second])
    assert len(twice.duplicated_reports) == 1
    assert len(twice.duplicated_endings) == 1
    withdrawn = [report(first), report(second, status="entered-in-error")]
    assert len(found(event(), flags=[first, second], reports=withdrawn).duplicated_reports) == 1


def test_a_flag_and_a_dead_letter_on_one_event_or_two_dead_letters_from_one_place_are_two_endings() -> None:
    assert len(found(event(), flags=[flag(event())], letters=[letter(event())]).duplicated_endings) == 1
    bad = event(expects="refused:any")
    assert len(found(bad, letters=[letter(bad), letter(bad)]).duplicated_endings) == 1
    assert found(bad, letters=[letter(bad), letter(bad, offset=7)]).clean


def test_a_report_or_flag_under_another_patient_is_a_swap() -> None:
    told = flag(event())
    assert len(found(event(), flags=[told], reports=[report(told, subject="Patient/other")]).swaps) == 1
    assert len(found(event(), flags=[told, flag(event(), subject="Patient/other")], reports=[report(told)]).swaps) == 1


def test_a_newer_picture_supersedes_and_the_record_says_what_took_the_older_reports_place() -> None:
    old, new = event(1), event(2, content="c2", media="Media/m1")
    new = replace(new, subject=old.subject)
    first, second, last = flag(old), flag(new), flag(old, status="entered-in-error")
    withdrawn = [report(first, status="entered-in-error"), report(second)]
    named = [Provenance(frozenset({second["report"]}), [("revision", first["report"], "")])]
    findings = found(old, new, flags=[first, second, last], reports=withdrawn, provenances=named)
    assert findings.clean
    assert (findings.superseded, findings.repeated) == (1, 0)
    assert len(found(old, new, flags=[first, second, last], reports=withdrawn).unexplained) == 1
    assert len(found(old, new, flags=[first, second], reports=withdrawn, provenances=named).contradictions) == 1
    assert found(old, new, flags=[second]).clean, "the older event met the newer picture"


def test_an_older_picture_that_takes_the_newer_ones_place_is_out_of_order_and_loses_the_newer_event() -> None:
    old, new = event(1), replace(event(2, content="c2", media="Media/m1"), subject="Patient/p1")
    first, second = flag(old), flag(new)
    wrong = found(old, new, flags=[first, second], reports=[report(first), report(second, status="entered-in-error")])
    assert len(wrong.out_of_order) == 1
    assert wrong.lost == 2


def test_a_manifest_comes_back_from_its_file_as_it_went(tmp_path: Path) -> None:
    manifest = Manifest((event(), event(2, expects="poison")), {"Media/m1": ["c1"], "Media/m2": ["c1"]})
    write_manifest(manifest, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == manifest


# On the real parts: consumers that are broken in the ways that matter.


@dataclass(frozen=True)
class Ward:
    """Pictures in the record and their events on topics of this test alone."""

    manifest: Manifest
    topics: Topics
    kafka: str
    fhir: str
    folder: Path

    @contextmanager
    def consuming(self, kind: str) -> Iterator[Child]:
        """One of the tiny consumers, until it is killed."""
        where = (self.kafka, self.topics.imaging, self.topics.flags, self.topics.group, self.fhir)
        argv = (sys.executable, "-m", "tests.chaos.broken", kind, *where)
        child = Child(Launch(kind, argv, ROOT, self.folder / "log.txt", {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}))
        try:
            yield child
        finally:
            child.kill()

    def audit(self) -> Findings:
        return audit(self.manifest, bootstrap_servers=self.kafka, topics=self.topics, fhir=self.fhir)

    def bus(self) -> Bus:
        return read_bus(self.kafka, self.topics)


@pytest.fixture
def ward(kafka: Kafka, fhir_server: Fhir, tmp_path: Path) -> Ward:
    mark = secrets.token_hex(4)
    topics = Topics(f"imaging-{mark}", f"flags-{mark}", f"letters-{mark}", f"group-{mark}")
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    names = (topics.imaging, topics.flags, topics.dead_letters)
    admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1} for name in names}, wait_for_metadata=True)
    admin.close()
    put(fhir_server.base_url, {"resourceType": "Patient", "id": f"p-{mark}"})
    events = [picture(fhir_server.base_url, f"audit-{mark}-{number}", f"Patient/p-{mark}") for number in range(EVENTS)]
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all")
    for each in events:
        producer.send(topics.imaging, base64.b64decode(each.value)).get(timeout=60)
    producer.close()
    manifest = Manifest(events, {each.media: [each.content] for each in events if each.media and each.content})
    return Ward(manifest, topics, kafka.bootstrap_servers, fhir_server.base_url, tmp_path)


def picture(fhir: str, id_: str, subject: str) -> Event:
    data = base64.b64encode(PICTURE).decode()
    media = {"resourceType": "Media", "id": id_, "status": "completed", "subject": {"reference": subject}}
    put(fhir, media | {"content": {"contentType": "image/jpeg", "data": data}})
    value = json.dumps({"id": id_, "media": f"Media/{id_}", "subject": subject}).encode()
    content = hashlib.sha256(PICTURE).hexdigest()
    return Event(id_, base64.b64encode(value).decode(), f"Media/{id_}", subject, content, "published")


def put(fhir: str, resource: dict[str, Any]) -> None:
    url = f"{fhir}/{resource['resourceType']}/{resource['id']}"
    headers = {"Content-Type": "application/fhir+json"}
    with urlopen(Request(url, json.dumps(resource).encode(), headers, method="PUT"), timeout=120):
        pass


def killed_in_the_middle_and_started_again(ward: Ward, kind: str) -> Findings:
    with ward.consuming(kind) as consumer:
        while_alive(consumer, lambda: len(ward.bus().flags) >= 3, what="work in flight")
    assert len(ward.bus().flags) < EVENTS, "it was killed too late to show anything"
    with ward.consuming(kind) as consumer:
        while_alive(consumer, lambda: not any(ward.bus().uncommitted.values()), what="everything committed")
    return ward.audit()


def while_alive(consumer: Child, holds: Callable[[], bool], *, what: str) -> None:
    """Waits for it; says why the consumer ended, should it end before."""
    eventually(lambda: holds() or not consumer.alive, within_s=240, what=what)
    assert consumer.alive, f"the consumer ended before {what}:\n{consumer.tail()}"


def test_a_sound_consumer_that_was_killed_has_lost_and_duplicated_nothing(ward: Ward) -> None:
    findings = killed_in_the_middle_and_started_again(ward, "sound")
    assert findings.clean
    assert (findings.lost, findings.duplicated) == (0, 0)
    assert findings.endings == {"published": EVENTS}
    assert findings.repeated >= 1, "the kill fell where it could have done no harm"


def test_a_consumer_that_commits_before_it_writes_is_found_to_lose_events(ward: Ward) -> None:
    findings = killed_in_the_middle_and_started_again(ward, "commits-first")
    assert findings.lost >= 1
    assert all("committed past it" in loss for loss in findings.losses)
    assert findings.duplicated == 0


def test_a_consumer_without_ids_of_its_own_making_is_found_to_duplicate_reports(ward: Ward) -> None:
    findings = killed_in_the_middle_and_started_again(ward, "random-ids")
    assert findings.lost == 0
    assert len(findings.duplicated_reports) >= 1
    assert not findings.clean
