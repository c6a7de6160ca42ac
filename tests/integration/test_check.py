"""`tocsin check` says what it found of every part, and how to mend what is not as it must be."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import yaml
from tocsin.cli.check import looked
from tocsin.kafka.preflight import NEEDED
from tocsin.kafka.topics import Topic
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.fhir import start as start_fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis
from tocsin.sandbox.topics import create_topics
from tocsin.sandbox.triton import Triton
from tocsin.telemetry.preflight import Check, Preflight

from tests.support.checks import Card, failed
from tests.support.stack import cached_jars, running
from tests.support.terminal import on_a_terminal

SKLESION = Path(__file__).parents[2] / "deploy" / "triton" / "sklesion" / "card.yaml"
COMMAND = (sys.executable, "-m", "tocsin", "check")
COLOURS = {"NO_COLOR", "FORCE_COLOR", "TERM"}
WITHIN_S = 60


@dataclass(frozen=True)
class Site:
    """The real parts, and how `tocsin check` is told of them."""

    variables: Mapping[str, str]
    folder: Path

    def card(self, change: Callable[[Card], object] = lambda _card: None) -> dict[str, str]:
        """The variable that names a card of the no-op model, changed so."""
        content = yaml.safe_load(SKLESION.read_bytes()) | {"name": "noop"}
        change(content)
        file = self.folder / f"card-{secrets.token_hex(4)}.yaml"
        file.write_text(yaml.safe_dump(content), "utf-8")
        return {"TOCSIN_MODEL__CARD": str(file)}

    def check(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        return subprocess.run(
            [*COMMAND, *options],
            env=self._environment(variables),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    def check_on_a_terminal(self, **variables: str) -> str:
        """What a person sees."""
        _code, shown = on_a_terminal(COMMAND, self._environment(variables), WITHIN_S)
        return shown

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_") and name not in COLOURS}
        return {**ours, "COLUMNS": "200", **self.variables, **variables}

    def found(self, code: int, **variables: str) -> list[Card]:
        """The lines of --json, where it ends with this exit code."""
        done = self.check("--json", **variables)
        assert (done.returncode, [line for line in done.stderr.splitlines() if "still asking" not in line]) == (code, [])
        return json_lines(done)


def without_a_class(card: Card) -> None:
    """One class less, which no translation names."""
    gone = card["output"]["classes"].pop()
    for language in card["translations"].values():
        del language[gone["display"]]


def json_lines(done: subprocess.CompletedProcess[str]) -> list[Card]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fhir]:
    """A record of this file's own: `check` rightly finds fault with one in which two sources reported on a picture, as other tests do."""
    folder = tmp_path_factory.mktemp("record")
    with running(lambda: start_fhir(cached_jars("fhir"), folder)) as part:
        yield part


@pytest.fixture(scope="module")
def site(kafka: Kafka, record: Fhir, triton: Triton, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Site:
    mark = secrets.token_hex(4)
    names = {setting.removeprefix("topic_"): f"{setting}-{mark}" for setting in NEEDED}
    create_topics(kafka.bootstrap_servers, [_topic(name) for name in names.values()])
    site = Site(
        {
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "TOCSIN_KAFKA__CONNECT_TIMEOUT_S": "2",
            **{f"TOCSIN_KAFKA__TOPIC_{name.upper()}": topic for name, topic in names.items()},
            "TOCSIN_FHIR__BASE_URL": record.base_url,
            "TOCSIN_TRITON__GRPC_URL": triton.grpc_url,
            "TOCSIN_REDIS__URL": redis_server.url,
            "TOCSIN_REPORT__SOURCE": f"urn:test:{mark}",
        },
        tmp_path_factory.mktemp("check"),
    )
    return Site({**site.variables, **site.card()}, site.folder)


def _topic(name: str) -> Topic:
    return Topic(topic=name, owner="test", producers=(), consumers=(), value="", key="", partitions=1, config={})


PARTS = {"card", "kafka", "fhir", "image", "triton", "redis", "report"}


def test_a_site_that_is_ready_passes_and_every_line_says_what_was_found(site: Site) -> None:
    checks = site.found(0)
    assert failed(checks) == []
    found = {(each["part"], each["what"]): each["found"] for each in checks}
    assert {part for part, _ in found} == PARTS
    assert found["kafka", "broker"] == f"{site.variables['TOCSIN_KAFKA__BOOTSTRAP_SERVERS']}: 1 broker(s), Kafka 4.1"
    assert found["kafka", f"topic {site.variables['TOCSIN_KAFKA__TOPIC_IMAGING']}"] == "1 partition(s)"
    assert found["fhir", "server"].startswith(f"{site.variables['TOCSIN_FHIR__BASE_URL']}: FHIR 4.0.1")
    assert found["fhir", "reading as this client"] == "HTTP 404 for Patient/tocsin-check"
    assert {what for _, what in found if what.startswith("read ")} == {
        "read Media",
        "read Binary",
        "read ImagingStudy",
        "read DiagnosticReport",
        "read Observation",
        "read RiskAssessment",
        "read Device",
        "read DocumentReference",
        "read Provenance",
        "read AuditEvent",
    }
    assert found["fhir", "write DiagnosticReport"] == "offered"
    assert {what: found["fhir", what] for _, what in found if what.startswith("search ")} == {
        "search DiagnosticReport": "offered",
        "search Media": "offered",
        "search Device": "offered",
    }
    assert found["image", "loops over pixels"] == "compiled"
    assert found["triton", "model noop/1"] == "ready"
    assert found["triton", "input image"] == "FP16 [-1, 254, 254, 3]"
    assert found["triton", "output probabilities"] == "FP32 [-1, 7]"


def test_a_person_reads_that_all_passed(site: Site) -> None:
    done = site.check()
    assert (done.returncode, done.stderr) == (0, "")
    assert "checked, all passed; 1 not looked at." in done.stdout
    assert all(f"pass  {part}" in done.stdout for part in PARTS)


def test_a_terminal_that_wants_no_colour_gets_no_escape_codes(site: Site) -> None:
    shown = site.check_on_a_terminal(NO_COLOR="1", TERM="xterm-256color")
    assert "kafka" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        pytest.param({"TOCSIN_KAFKA__TOPIC_FLAGS": "nobody-made-it"}, ("kafka", "topic nobody-made-it"), id="a topic that nobody made"),
        pytest.param({"TOCSIN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"}, ("kafka", "address 127.0.0.1:9"), id="a broker that is away"),
        pytest.param({"TOCSIN_FHIR__BASE_URL": "http://127.0.0.1:9/fhir"}, ("fhir", "connection"), id="a FHIR server that is away"),
        pytest.param({"TOCSIN_TRITON__GRPC_URL": "127.0.0.1:9"}, ("triton", "connection"), id="a Triton that is away"),
        pytest.param({"TOCSIN_REDIS__URL": "redis://127.0.0.1:9/0"}, ("redis", "connection"), id="a Redis that is away"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix_and_the_other_parts_are_checked(
    site: Site, variables: dict[str, str], wrong: tuple[str, str]
) -> None:
    checks = site.found(1, **variables)
    assert failed(checks) == [wrong]
    assert {each["part"] for each in checks} == PARTS


def test_an_address_that_is_no_fhir_base_address_is_named_with_its_fix(site: Site) -> None:
    checks = site.found(1, TOCSIN_FHIR__BASE_URL=site.variables["TOCSIN_FHIR__BASE_URL"] + "/nowhere")
    assert failed(checks) == [("fhir", "server")]
    assert {each["part"] for each in checks} == PARTS


def test_an_error_that_nobody_foresaw_is_a_failed_check_that_quotes_nothing_of_it() -> None:
    def look() -> Iterator[Check]:
        yield Check("fhir", "server", True, "there", "")
        raise LookupError("a secret")

    first, unforeseen = looked(Preflight("fhir", look))
    assert first.passed
    assert failed([asdict(unforeseen)]) == [("fhir", "unforeseen")]
    assert unforeseen.found.startswith("LookupError at integration/test_check.py:")
    assert "a secret" not in str(unforeseen)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        pytest.param(lambda card: card.update(name="nobody"), "model nobody/1", id="a model that is not there"),
        pytest.param(lambda card: card.update(version="9"), "model noop/9", id="a version that is not there"),
        pytest.param(lambda card: card["image"].update(height=128), "input image", id="another picture size"),
        pytest.param(lambda card: card["image"].update(datatype="FP32"), "input image", id="another datatype"),
        pytest.param(without_a_class, "output probabilities", id="another number of classes"),
        pytest.param(lambda card: card["facts"].update(name="facts"), "input facts", id="another input name"),
    ],
)
def test_a_model_that_is_not_the_cards_is_named_with_its_fix(site: Site, change: Callable[[Card], object], wrong: str) -> None:
    checks = site.found(1, **site.card(change))
    assert failed(checks) == [("triton", wrong)]
    assert {each["part"] for each in checks} == PARTS


def test_a_person_reads_the_fix_below_what_failed(site: Site) -> None:
    done = site.check(TOCSIN_KAFKA__TOPIC_FLAGS="nobody-made-it")
    assert done.returncode == 1
    assert "FAIL  kafka   topic nobody-made-it" in done.stdout
    assert "fix: create it with `tocsin topics --create`" in done.stdout
    assert "\x1b" not in done.stdout
    assert ", 1 failed; 1 not looked at." in done.stdout


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        pytest.param({"TOCSIN_MODEL__CARD": "nowhere.yaml"}, "the model card nowhere.yaml cannot be read", id="no card"),
        pytest.param(
            {"TOCSIN_MODEL__CARD": __file__},
            "is not YAML",
            id="a card that is none",
        ),
        pytest.param({"TOCSIN_MODEL__CARD": os.devnull}, "the model card", id="an empty card"),
        pytest.param({"TOCSIN_FHIR__BASE_URL": "ftp://x"}, "TOCSIN_FHIR__BASE_URL", id="a setting that is wrong"),
        pytest.param(
            {"TOCSIN_KAFKA__BOOTSTRAP_SERVERS": "kafka:port"},
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS",
            id="an address without a port",
        ),
    ],
)
def test_a_setting_or_card_that_is_wrong_ends_it_with_one_line(site: Site, variables: dict[str, str], said: str) -> None:
    done = site.check(**variables)
    assert (done.returncode, done.stdout) == (78, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tocsin: ConfigurationError: ")
    assert said in done.stderr
