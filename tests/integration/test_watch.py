"""The scheduled task looks at a real bus: missed cancers alarm, and nothing is left behind but what was counted."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from tocsin.bootstrap.monthly import made
from tocsin.bootstrap.work import tasks
from tocsin.clock import utc_now
from tocsin.kafka.records import encode
from tocsin.learning.monthly.month import Month
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import FhirSettings, KafkaSettings, ReportSettings, Settings
from tocsin.telemetry.instruments import Labels

from tests.support.flags import flag
from tests.unit.learning.test_labels_bus import MELANOMA, outcome

SOURCE = "urn:tocsin:test"


def test_the_task_counts_missed_cancers_of_a_real_bus_and_its_month_has_a_report(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark, now = secrets.token_hex(4), utc_now()
    topics = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, topic_flags=f"flags-{mark}", topic_verdicts=f"verdicts-{mark}")
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        described = {"num_partitions": 2, "replication_factor": 1}
        admin.create_topics({topics.topic_flags: described, topics.topic_verdicts: described}, wait_for_metadata=True)
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        for number in range(8):
            judged = flag(number, "below-threshold", at=now, source=SOURCE, probability=0.01)
            producer.send(topics.topic_flags, encode(judged), judged.subject.encode())
            found = outcome(number, MELANOMA, at=now, source=SOURCE)
            producer.send(topics.topic_verdicts, encode(found), found.report.encode())
        producer.flush(20)
    counted = list[tuple[str, float, Labels]]()
    monkeypatch.setattr("tocsin.telemetry.instruments._elsewhere", lambda *measure: counted.append(measure))
    settings = Settings(kafka=topics, report=ReportSettings(source=SOURCE), fhir=FhirSettings(base_url="http://127.0.0.1:1/fhir"))
    [task] = [each for each in tasks(settings) if each.name == "watch"]
    task.run()
    alarms = {(labels["signal"], labels["group"]) for _, value, labels in counted if labels.get("state") == "alarm" and value}
    assert alarms == {("misses", "any"), ("misses", "all"), ("misses", "mel")}
    blind = {labels["group"] for _, value, labels in counted if labels.get("state") == "unanswered" and value}
    assert "body-site:trunk" in blind, "the FHIR server is away"
    month, files = made(settings, Month(now.year, now.month), tmp_path, utc_now())
    assert (month.volumes.pictures, month.evaluation.reference.malignant, month.origins_known) == (8, 8, False)
    assert all(path.stat().st_size > 1000 for path in files.values())
