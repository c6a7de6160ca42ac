"""People are told of unread flags on a real bus, over real TLS, by a real webhook and a real mail server: once, whatever starts anew."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from pydantic import BaseModel, SecretStr
from tocsin.bootstrap.work import tasks
from tocsin.bootstrap.worklist import as_it_stands, notify
from tocsin.clock import utc_now
from tocsin.errors import Unavailable
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.records import encode
from tocsin.model_card import read_card
from tocsin.review.types import Act
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import KafkaSettings, NotifySettings, Settings, WorklistSettings

from tests.support.flags import flag, standing, verdict
from tests.support.smtp import MailServer, mail_server
from tests.support.tls import Authority
from tests.support.web import serving

HOUR = timedelta(hours=1)


class Hook:
    """A webhook that remembers."""

    def __init__(self) -> None:
        self.origin, self.status, self.told = "", 200, list[list[str]]()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def hook(authority: Authority) -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if made.status == 200:
                made.told.append([each["report"] for each in body["flags"]])
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue())
    with serving(Handler, context) as origin:
        made.origin = origin
        yield made


@pytest.fixture
def post(authority: Authority) -> Iterator[MailServer]:
    with mail_server(authority.issue()) as server:
        yield server


class House:
    """Topics of this test alone, and the settings that name them."""

    def __init__(self, bus: Kafka, hook: Hook, post: MailServer, ca: Path) -> None:
        mark = secrets.token_hex(4)
        self.settings = Settings(
            kafka=KafkaSettings(
                bootstrap_servers=bus.bootstrap_servers,
                topic_flags=f"flags-{mark}",
                topic_verdicts=f"verdicts-{mark}",
                topic_notices=f"notices-{mark}",
            ),
            notify=NotifySettings(
                webhook_url=f"{hook.origin}/told",
                webhook_secret=SecretStr("a-secret-of-the-site-0123456789"),
                smtp_host="127.0.0.1",
                smtp_port=post.port,
                smtp_from="tocsin@hospital.example",
                smtp_to=("derm@hospital.example",),
                tls_ca_file=ca,
                link_url="https://tocsin.example.org/",
            ),
        )
        topics = self.settings.kafka
        described = {"num_partitions": 2, "replication_factor": 1}
        compacted = {"num_partitions": 1, "replication_factor": 1, "configs": {"cleanup.policy": "compact,delete"}}
        with closing(KafkaAdminClient(bootstrap_servers=bus.bootstrap_servers)) as admin:
            made = {topics.topic_flags: described, topics.topic_verdicts: described, topics.topic_notices: compacted}
            admin.create_topics(made, wait_for_metadata=True)

    def say(self, *said: BaseModel) -> None:
        """Put these on the bus."""
        topics = self.settings.kafka
        with closing(KafkaProducer(bootstrap_servers=topics.bootstrap_servers)) as producer:
            for each in said:
                topic = topics.topic_flags if type(each).__name__ == "Flag" else topics.topic_verdicts
                producer.send(topic, encode(each), b"key").get(timeout=20)


@pytest.fixture
def house(kafka: Kafka, hook: Hook, post: MailServer, authority: Authority) -> House:
    return House(kafka, hook, post, authority.file)


def test_an_overdue_flag_is_told_of_once_by_each_way_and_an_answered_one_never(house: House, hook: Hook, post: MailServer) -> None:
    now = utc_now()
    house.say(flag(1, at=now - 5 * HOUR), flag(2, at=now - 6 * HOUR), flag(3, at=now - HOUR), verdict(2, Act.ACCEPT, at=now))
    hook.status = 500
    with pytest.raises(Unavailable, match="webhook: HTTP 500"):
        notify(house.settings)
    assert len(post.taken) == 1, "the other way goes on"
    hook.status = 200
    for _ in range(3):
        notify(house.settings)  # nothing is remembered in the process, or in Redis
    assert hook.told == [["DiagnosticReport/r1"]]
    assert len(post.taken) == 1
    text = post.taken[0].mail.get_content()
    assert "High, unread for 5 hours: DiagnosticReport/r1" in text
    assert "https://tocsin.example.org/reports/r1" in text
    assert "Patient/" not in text
    house.say(flag(4, at=now - 9 * HOUR), verdict(1, at=now), standing(1, at=now))
    notify(house.settings)
    assert hook.told == [["DiagnosticReport/r1"], ["DiagnosticReport/r4"]]
    with closing(KafkaTopicReader(house.settings.kafka)) as reader:
        rows = as_it_stands(reader, house.settings, read_card(house.settings.model.card)).rows()
    assert [row.unread for row in sorted(rows, key=lambda row: row.report)] == [False, False, True, True]


def test_the_scheduler_sends_only_tasks_that_the_settings_ask_for(house: House) -> None:
    named = {task.name: task.every_s for task in tasks(house.settings)}
    assert named["notify"] == 300.0
    assert named["ehr_tasks"] is None
    assert named["renew_flags"] == 21_600.0
    silent = house.settings.model_copy(update={"notify": NotifySettings(), "worklist": WorklistSettings(ehr_tasks=True)})
    named = {task.name: task.every_s for task in tasks(silent)}
    assert named["notify"] is None
    assert named["ehr_tasks"] == 60.0
