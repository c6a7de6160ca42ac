"""Whatever a neighbour, a picture or a producer says of a patient, no sink but the record and the dead letter's original has it."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import orjson
import pytest
import redis
from PIL import Image
from tocsin.model_card import read_card
from tocsin.network import HOST
from tocsin.sandbox.commands import launch
from tocsin.sandbox.process import Child
from tocsin.sandbox.redis import Redis

from tests.builders import event_json
from tests.support.health import said
from tests.support.house import JPEG, House
from tests.support.model_server import answer_to, model_server
from tests.support.otlp import Collector, collector
from tests.support.proxy import Proxy, proxy
from tests.support.waiting import eventually
from tests.support.web import Reply

NAME = "Canary-Quintessa"
BORN = "1931-02-13"
TOKEN = "canary-token-8812"
WORDS = re.compile(
    "|".join([r"canary", BORN, BORN.replace("-", ""), *(base64.b64encode(b"x" * n + b"Canary-Quint")[4:-4].decode() for n in (3, 4, 5))]),
    re.IGNORECASE,
)
QUIET = {"temporary files", "temporary files, while it runs", "topic_replays", "topic_backfill", "topic_backfills", "topic_verdicts"}
"""Sinks that may rightly have nothing."""
OUTCOME = orjson.dumps(
    {
        "resourceType": "OperationOutcome",
        "text": {"status": "generated", "div": f"<div>{NAME}</div>"},
        "issue": [
            {
                "severity": "error",
                "code": NAME,
                "details": {"text": f"{NAME}, born {BORN}"},
                "diagnostics": f"{NAME} {BORN}",
                "expression": [f"Patient.name.where(family='{NAME}')"],
            }
        ],
    }
)
PERSON: dict[str, Any] = {
    "name": [{"family": NAME, "given": [f"{NAME}-Given"], "text": NAME}],
    "birthDate": BORN,
    "identifier": [{"system": f"urn:{NAME}", "value": f"{NAME}-4711"}],
    "address": [{"line": [f"{NAME} street 1"], "city": NAME}],
    "telecom": [{"system": "email", "value": f"{NAME}@example.org"}],
}
NOTES: dict[str, Any] = {
    "note": [{"text": NAME}],
    "identifier": [{"value": NAME}],
    "deviceName": NAME,
    "reasonCode": [{"text": NAME}],
    "bodySite": {"text": NAME},
    "operator": {"display": NAME},
}


def with_exif() -> bytes:
    """A picture whose EXIF and comment name a patient, and whose end is missing."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = exif[0x013B] = NAME
    Image.open(io.BytesIO(JPEG)).save(buffer, "JPEG", exif=exif, comment=NAME.encode())
    return buffer.getvalue()


def attached(**content: Any) -> dict[str, Any]:
    return {"contentType": "image/jpeg", "title": f"{NAME}.jpg", **content}


def plant(hospital: House) -> int:
    """Put a name into whatever an event, its headers, its Media and its Patient can say; gives how many events there are."""
    record, bus = hospital.record, hospital.bus
    subject, other = record.patient("p-planted", **PERSON), record.patient("q-planted", **PERSON)
    headers = (
        ("traceparent", NAME.encode()),
        ("tracestate", f"ward={NAME}".encode()),
        ("baggage", f"patient={NAME}".encode()),
        (f"x-{NAME}", NAME.encode()),
    )
    data = base64.b64encode(JPEG).decode()
    record.fhir.put({"resourceType": "Binary", "id": "planted-bytes", "contentType": "image/jpeg", "data": data})
    contents: dict[str, dict[str, Any]] = {
        "sound": attached(data=data),
        "exif": attached(data=base64.b64encode(with_exif()).decode()),
        "cut": attached(data=base64.b64encode(with_exif()[:-2000]).decode()),
        "words": attached(data=base64.b64encode(NAME.encode()).decode()),
        "typed": attached(data=data, contentType=f"image/{NAME}"),
        "hashed": attached(url="Binary/planted-bytes", hash=base64.b64encode(NAME.encode()).decode()),
        "elsewhere": attached(url=f"http://{HOST}:9/{NAME}.jpg?name={NAME}"),
        "no-address": attached(url=f"urn:{NAME}:{BORN}"),
        "binary": attached(url=f"Binary/planted?name={NAME}"),
        "led-away": attached(url="Binary/led-away"),
        "tensor": attached(data=data),
        "outcome": attached(data=data),
        "away-once": attached(data=data),
    }
    for name, content in contents.items():
        bus.announce(record.media(f"planted-{name}", subject, content=content, **NOTES), subject, headers=headers)
    bus.announce(record.media("planted-swapped", other, **NOTES), subject, headers=headers)
    odd: list[bytes] = [
        f"{NAME} {BORN}".encode(),
        orjson.dumps(event_json(media="Media/planted-sound", subject=subject, patient_name=NAME)),
        orjson.dumps(event_json(media=f"Media/{NAME} {BORN}", subject=f"Patient/{NAME}^{BORN}")),
        orjson.dumps({NAME: NAME}),
    ]
    for value in odd:
        bus.publish(value, NAME.encode(), headers)
    return len(contents) + 1 + len(odd)


def troubled(front: Proxy) -> None:
    """The FHIR server quotes patients when it refuses."""
    away: list[str] = []

    def trouble(_method: str, path: str) -> Reply | None:
        answers = {"Content-Type": "application/fhir+json", "Retry-After": NAME, "X-Patient": NAME}
        if "planted-outcome" in path:
            return Reply(422, OUTCOME, answers)
        if "Binary/led-away" in path:
            return Reply(302, NAME.encode(), {"Location": f"http://{HOST}:9/{NAME}?token={TOKEN}"})
        if "planted-away-once" in path and not away:
            away.append(path)
            return Reply(503, OUTCOME, answers)
        return None

    front.trouble = trouble


@contextmanager
def talkative_model(card: Path) -> Iterator[str]:
    """A model server that quotes a patient once when it refuses, and once when it is away."""
    described, said_already = read_card(card), [0]

    def answer(request: Any, call: grpc.ServicerContext) -> Any:
        said_already[0] += 1
        if said_already[0] == 1:
            call.abort(grpc.StatusCode.UNAVAILABLE, f"{NAME} {BORN}")
        if said_already[0] == 2:
            call.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{NAME} {BORN}")
        count = len(described.output.classes)
        return answer_to(request, [1 / count] * count, described.output.name)

    with model_server(answer) as address:
        yield address


@contextmanager
def listening(url: str) -> Iterator[list[str]]:
    """Every command that this Redis is given, with its keys and values."""
    heard: list[str] = []
    client = redis.Redis.from_url(url)

    def listen() -> None:
        with suppress(redis.RedisError, OSError, ValueError), client.monitor() as monitor:  # type: ignore[no-untyped-call] # redis ships no type of it
            for command in monitor.listen():
                heard.append(str(command))

    threading.Thread(target=listen, daemon=True).start()
    with closing(redis.Redis.from_url(url)) as other:
        eventually(lambda: bool(other.ping() and heard), within_s=30, what="a command that is heard")
    yield heard
    client.close()


def pages(folder: House, name: str, event: str) -> Iterator[str]:
    """What the process answers on its port, also to who asks for a name."""
    eventually(lambda: bool(said(folder, event, name)), within_s=60, what="the port in the log")
    [line] = said(folder, event, name)
    for path in ("/live", "/ready", "/metrics", f"/{NAME}", f"/live?{NAME}"):
        asked = Request(f"http://{HOST}:{line['port']}{path}", headers={"X-Patient": NAME})
        try:
            with urlopen(asked, timeout=10) as answer:
                yield f"{path.partition('?')[0] if NAME not in path else ''} {answer.headers} {answer.read().decode()}"
        except HTTPError as answer:
            yield f"{answer.headers} {answer.read().decode()}"


def command(hospital: House, *arguments: str, **variables: str) -> str:
    """What a command of an operator prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", *arguments],
        env={**os.environ, **hospital.variables, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def sinks(quick_hospital: House, redis_server: Redis, tmp_path: Path) -> dict[str, str]:
    """Sink -> all that it has after a run with every kind of failure."""
    hospital, temporary = quick_hospital, tmp_path / "temporary"
    temporary.mkdir()
    found: dict[str, str] = {}
    card = Path(hospital.variables["TOCSIN_MODEL__CARD"])
    with (
        proxy(hospital.variables["TOCSIN_FHIR__BASE_URL"]) as front,
        talkative_model(card) as model,
        collector() as collected,
        listening(redis_server.url) as heard,
    ):
        troubled(front)
        variables = {
            "TOCSIN_FHIR__BASE_URL": front.base_url,
            "TOCSIN_FHIR__BEARER_TOKEN": TOKEN,
            "TOCSIN_TRITON__GRPC_URL": model,
            "TOCSIN_REDIS__URL": redis_server.url,
            "TOCSIN_OTLP__ENDPOINT": collected.endpoint,
            "TOCSIN_OTLP__HEADERS": f"authorization={TOKEN}",
            "TOCSIN_OTLP__SIGNALS": '["traces","metrics","logs"]',
            "TOCSIN_OTLP__EVERY_S": "0.2",
            "TOCSIN_OTLP__METRICS_EVERY_S": "1",
            "TOCSIN_TRACES__RATIO": "1",
            "TOCSIN_LOG__LEVEL": "debug",
            "TOCSIN_CONSUME__ATTEMPTS_MAX": "2",
            "TOCSIN_CONSUME__GIVE_UP_AFTER_S": "0",
            "TOCSIN_WORK__REDRIVE_EVERY_S": "1",
            "TOCSIN_WORK__REDRIVE_INITIAL_S": "0.1",
            "TOCSIN_WORK__RECONCILE_EVERY_S": "2",
            "TMPDIR": str(temporary),
        }
        events = plant(hospital)
        with hospital.consuming(**variables), running(hospital, "work", variables), running(hospital, "beat", variables):
            eventually(lambda: hospital.bus.lag() == 0, within_s=120, what="an ending for every event")
            eventually(lambda: '"task done"' in hospital.log("work"), within_s=60, what="a task")
            for name, event in (("consume", "consuming"), ("work", "working"), ("beat", "scheduling")):
                found[f"pages of {name}"] = "\n".join(pages(hospital, name, event))
            found["commands"] = "\n".join(
                command(hospital, *arguments, **variables)
                for arguments in (("check",), ("dead-letters",), ("replay", "--all"), ("reconcile",), ("settings",))
            )
            found["temporary files, while it runs"] = contents(temporary)
        found |= {f"log of {name}": hospital.log(name) for name in ("consume", "work", "beat")}
        found |= sent(collected)
        found["Redis"] = "\n".join(heard)
    found["temporary files"] = contents(temporary)
    found |= on_the_bus(hospital)
    assert len(hospital.bus.letters()) + len({flag.media for flag in hospital.bus.flags()}) >= events - 2
    return found


@contextmanager
def running(hospital: House, name: Any, variables: dict[str, str]) -> Iterator[None]:
    with closing(Running(Child(launch(name, hospital.folder, {**hospital.variables, **variables}, name)))):
        yield


class Running:
    """A process that ends with its block."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def close(self) -> None:
        """End it."""
        self._child.stop(grace_s=30.0)


def contents(folder: Path) -> str:
    files = [each for each in folder.rglob("*") if each.is_file()]
    return "\n".join(f"{each.name} {each.read_bytes()!r}" for each in files)


def sent(collected: Collector) -> dict[str, str]:
    """What went to the collector, but for the header that is its own."""
    return {"spans": str(collected.spans), "metrics": str(collected.points), "lines": str(collected.lines)}


def on_the_bus(hospital: House) -> dict[str, str]:
    """Every record that Tocsin wrote, without the dead letters' originals."""
    names = hospital.bus.settings
    found = {}
    for field in ("topic_flags", "topic_replays", "topic_backfill", "topic_backfills", "topic_verdicts"):
        found[field] = "\n".join(f"{each.key} {each.value} {each.headers}" for each in hospital.bus.records(getattr(names, field)))
    letters = [orjson.loads(each.value) | {"headers": str(each.headers)} for each in hospital.bus.records(names.topic_dead_letters)]
    found["dead letters but for their originals"] = "\n".join(str({k: v for k, v in each.items() if k != "original"}) for each in letters)
    return found


def quoted(content: str) -> list[str]:
    """The first places that say who a patient is."""
    return sorted({content[max(0, word.start() - 60) : word.end() + 20] for word in WORDS.finditer(content)})[:3]


def test_no_sink_says_who_a_patient_is(sinks: dict[str, str]) -> None:
    leaks = {name: quoted(content) for name, content in sinks.items()}
    assert not any(leaks.values()), "\n".join(f"{name}: {each}" for name, found in leaks.items() for each in found)
    assert [name for name, content in sinks.items() if name not in QUIET and content in ("", "[]")] == []
    assert sinks["dead letters but for their originals"].count("'reason'") >= 10
