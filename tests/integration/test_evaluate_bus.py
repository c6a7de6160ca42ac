"""`tocsin evaluate --from-bus` on a real bus: flags and what was said of them become figures, and nothing is calibrated twice."""

from __future__ import annotations

import secrets
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from tocsin.cli.commands import app
from tocsin.clock import utc_now
from tocsin.kafka.records import encode
from tocsin.learning.scores import read_scores
from tocsin.sandbox.kafka import Kafka
from typer.testing import CliRunner

from tests.support.records import SKLESION
from tests.support.site_files import EVALUATION, at_site, written
from tests.unit.learning.test_flagged import judged
from tests.unit.learning.test_labels_bus import CARD, MELANOMA, NAEVUS, outcome

SOURCE = "urn:tocsin:test"
SCORES = {True: [0.02] * 2 + [0.6] * 18, False: [0.01] * 30 + [0.6] * 10}
"""Malignant -> the model's own scores; the site flags from 0.03 on, which is a score of 0.035."""


def test_flags_of_a_calibrated_site_become_scores_and_figures(kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark, now = secrets.token_hex(4), utc_now()
    carried = EVALUATION | {"carried_on": (now - timedelta(days=1)).isoformat()}
    site, local = written(tmp_path, CARD, evaluation=carried), at_site(CARD)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        described = {"num_partitions": 2, "replication_factor": 1}
        admin.create_topics({f"{name}-{mark}": described for name in ("flags", "verdicts")}, wait_for_metadata=True)
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        labelled = [(malignant, score) for malignant, scores in SCORES.items() for score in scores]
        for number, (malignant, score) in enumerate(labelled):
            said = judged(number, score, local, at=now, source=SOURCE)
            by = [("tocsin-site-file", str(local.site).encode())] if number % 2 else []  # flags from before name none
            producer.send(f"flags-{mark}", encode(said), said.subject.encode(), by)
            found = outcome(number, MELANOMA if malignant else NAEVUS, at=now, source=SOURCE)
            producer.send(f"verdicts-{mark}", encode(found), found.report.encode())
        for number in (100, 101):  # nobody spoke of these, and the second is another installation's
            said = judged(number, 0.5, local, at=now, source=SOURCE if number == 100 else "urn:other")
            producer.send(f"flags-{mark}", encode(said), said.subject.encode())
        for number, other in ((102, b"another/1"), (103, f"{local.site.name}/9".encode())):  # labelled, and judged by what is used no more
            said = judged(number, 0.5, CARD, at=now, source=SOURCE)
            producer.send(f"flags-{mark}", encode(said), said.subject.encode(), [("tocsin-site-file", other)])
            found = outcome(number, MELANOMA, at=now, source=SOURCE)
            producer.send(f"verdicts-{mark}", encode(found), found.report.encode())
        producer.flush(20)
    variables = {
        "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TOCSIN_KAFKA__TOPIC_FLAGS": f"flags-{mark}",
        "TOCSIN_KAFKA__TOPIC_VERDICTS": f"verdicts-{mark}",
        "TOCSIN_REPORT__SOURCE": SOURCE,
        "TOCSIN_MODEL__CARD": str(SKLESION),
        "TOCSIN_MODEL__SITE_FILE": str(site),
    }
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["evaluate", "--from-bus", "--out", str(out), "--json"], env=variables)
    assert done.exit_code == 0, (done.output, done.exception)
    told = orjson.loads(done.stdout.splitlines()[-1])
    assert (told["n"], told["n_scored"], told["malignant"], told["unlabelled"]) == (61, 60, 20, 1)
    assert (told["sensitivity"], told["specificity"]) == (18 / 20, 30 / 40)
    header, kept = read_scores(out / "scores.jsonl")
    assert (header.source, header.input_gate_sha256) == ("bus", "")
    assert sorted(each.score or 0 for each in kept) == pytest.approx(sorted([score for _, score in labelled] + [0.5]), abs=1e-4)
    page = (out / "report.html").read_text()
    assert "Age, sex and body site are not known" in page
    assert "upper bound" in page  # nobody knows how the unflagged ones came to be examined
