"""Settings come from the environment, say what is wrong in one sentence, and hide what is secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.cli.settings import HIDDEN, rows
from tocsin.environment import Reading, read, variables
from tocsin.errors import ConfigurationError
from tocsin.settings import Settings, read_settings

SECRETS = sorted(name for name, each in variables(Settings).items() if each.secret and not each.of_file and not each.is_json)
"""All but those that are written as JSON."""


def given(**environment: str) -> Reading[Settings]:
    return read(Settings, environment)


def sentence(**environment: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        given(**environment)
    said = str(refused.value)
    assert len(said.splitlines()) == 1
    assert not re.search(r"Value error|Input should|\[type=|pydantic|\^|\\d", said), said
    return said


def test_a_variable_reaches_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA__GROUP_ID", "dermatology")
    monkeypatch.setenv("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", '["https://PACS.example.org"]')
    settings = read_settings()
    assert settings.kafka.group_id == "dermatology"
    assert settings.image.url_origins_allowed == ("https://pacs.example.org",)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TOCSIN_CONSUME__WORKERS", "0", "wants a whole number above 0, for example 8"),
        ("TOCSIN_CONSUME__WORKERS", "four", "wants a whole number above 0, for example 8"),
        ("TOCSIN_CONSUME__WORKERS", "", "is empty: leave it out"),
        ("TOCSIN_CONSUME__RETRY_MAX_S", "30s", "wants a number above 0 of seconds, for example 30.0"),
        ("TOCSIN_METRICS__PORT", "70000", "wants a whole number not below 0 and not above 65535"),
        ("TOCSIN_LOG__LEVEL", "loud", "wants one of debug, info, warning, error"),
        ("TOCSIN_LOG__LEVEL", "debug\n", "wants one of debug, info, warning, error"),
        ("TOCSIN_KAFKA__SASL_MECHANISM", "GSSAPI", "wants one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ("TOCSIN_FHIR__BEARER_TOKEN", "abc\r\nX-Other: 1", "neither spaces nor line ends"),
        ("TOCSIN_KAFKA__BOOTSTRAP_SERVERS", "kafka", "for example localhost:9092"),
        ("TOCSIN_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092\n", "white space or a line end"),
        ("TOCSIN_FHIR__BASE_URL", "ftp://x", "http(s)://host"),
        ("TOCSIN_FHIR__BASE_URL", "https://fhir.example.org/fhir\n", "white space or a line end"),
        ("TOCSIN_FHIR__BASE_URL", " https://fhir.example.org/fhir", "white space or a line end"),
        ("TOCSIN_FHIR__BASE_URL", "https://fhir.example.org/f hir", "neither white space nor line ends"),
        ("TOCSIN_TRITON__GRPC_URL", "triton:8001\n", "white space or a line end"),
        ("TOCSIN_TRITON__GRPC_URL", "http://triton:8001", "host:port, without http://"),
        ("TOCSIN_TRITON__GRPC_URL", "triton", "for example triton:8001"),
        ("TOCSIN_REDIS__URL", "redis://red\nis/0", "an address is redis://"),
        ("TOCSIN_MODEL__CARD", "card.yaml\n", "white space or a line end"),
        ("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", '["https://host/path"]', "an origin is scheme://host"),
        ("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", '["https://host\\n"]', "neither white space nor line ends"),
        ("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", "https://pacs.example.org", "lists are JSON, for example ["),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence_with_an_example(name: str, value: str, said: str) -> None:
    told = sentence(**{name: value})
    assert name in told
    assert said in told


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TOCSIN_KAFKA_BOOTSTRAP_SERVERS", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"),
        ("TOCSIN_KAFKA___BOOTSTRAP_SERVERS", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"),
        ("TOCSIN_KAFKA__BOOTSTRAP__SERVERS", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"),
        ("TOCSIN_KAFKA__BOOTSTRAP_SERVER", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"),
        ("TOCSIN_KAFKA__BROKERS", "TOCSIN_KAFKA__"),
        ("TOCSIN_KAFKA__PASSWORD", "TOCSIN_KAFKA__SASL_PASSWORD"),
        ("TOCSIN_BOOTSTRAP_SERVERS", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"),
        ("TOCSIN_CONSUEM__WORKERS", "TOCSIN_CONSUME__WORKERS"),
        ("TOCSIN_FHIR__URL", "TOCSIN_FHIR__BASE_URL"),
        ("tocsin_kafka__group_id", "TOCSIN_KAFKA__GROUP_ID"),
        ("Tocsin_Kafka__Group_Id", "TOCSIN_KAFKA__GROUP_ID"),
        ("TOCSIN_LOG", "TOCSIN_LOG__LEVEL=info"),
        ("TOCSIN_LOG_LEVEL", "TOCSIN_LOG__LEVEL"),
        ("TOCSIN_REDIS__URL_FILES", "TOCSIN_REDIS__URL_FILE"),
        ("TOCSIN_KAFKA__GROUP_ID_FILE", "TOCSIN_KAFKA__GROUP_ID"),
        ("TOCSIN_FOO", "`tocsin settings` lists them all"),
        ("TOCSIN_", "`tocsin settings` lists them all"),
        ("TOCSIN_METRICS_PORT", "TOCSIN_METRICS__PORT"),
    ],
)
def test_a_variable_that_is_not_known_is_refused_with_the_nearest_name(name: str, meant: str) -> None:
    told = sentence(**{name: "9464"})
    assert told.startswith(f"settings: {name} ")
    assert meant in told


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = sentence(TOCSIN_LOG="debug", TOCSIN_KAFKA_GROUP_ID="x", TOCSIN_REDIS__URL_FILE="/nowhere")
    assert all(name in told for name in ("TOCSIN_LOG__LEVEL", "TOCSIN_KAFKA__GROUP_ID", "/nowhere"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_SERVICE_HOST", "10.96.0.12"),
        ("TOCSIN_SERVICE_PORT", "9464"),
        ("TOCSIN_SERVICE_PORT_HTTP_METRICS", "9464"),
        ("TOCSIN_PORT", "tcp://10.96.0.12:9464"),
        ("TOCSIN_PORT_9464_TCP", "tcp://10.96.0.12:9464"),
        ("TOCSIN_PORT_9464_TCP_PROTO", "tcp"),
        ("TOCSIN_PORT_9464_TCP_PORT", "9464"),
        ("TOCSIN_PORT_9464_TCP_ADDR", "10.96.0.12"),
        ("TOCSIN_METRICS_PORT", "tcp://[fd00::12]:9464"),
        ("TOCSIN_KAFKA_SERVICE_HOST", "fd00::12"),
        ("TOCSIN_DNS_PORT_53_UDP", "udp://10.96.0.12:53"),
        ("TOCSIN_TEST_DATA", "/data"),
    ],
)
def test_what_kubernetes_puts_there_for_a_service_is_no_mistake(name: str, value: str) -> None:
    assert given(**{name: value}).settings == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_REDIS_PORT", "6379"),
        ("TOCSIN_FHIR_SERVICE_HOST", "fhir.example.org"),
        ("TOCSIN_PORT", "9464"),
        ("tocsin_service_port", "80"),
    ],
)
def test_what_only_looks_like_a_service_link_is_refused(name: str, value: str) -> None:
    assert name in sentence(**{name: value})


def of(name: str) -> str:
    """A value that the secret takes."""
    if name.endswith("REDIS__URL"):
        return "redis://:canary@redis:6379/0"
    if name.endswith("QUERY_HEADER"):
        return "X-Canary: canary"
    return "http://tocsin:canary@proxy:3128" if name.endswith("PROXY_URL") else "canary-of-a-secret"


BESIDE: dict[str, dict[str, str]] = {
    "TOCSIN_NOTIFY__SMTP_PASSWORD": {"TOCSIN_NOTIFY__SMTP_USERNAME": "tocsin"},
    "TOCSIN_AUDIT__SECRET": {"TOCSIN_AUDIT__RATE": "0.05", "TOCSIN_AUDIT__SINCE": "2026-03-01T00:00:00Z"},
}
"""What has to be set with a secret."""


def held(reading: Reading[Settings], name: str) -> str:
    variable = variables(Settings)[name]
    return str(getattr(getattr(reading.settings, variable.group), variable.field).get_secret_value())


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_come_with_a_line_end_and_is_never_shown(name: str) -> None:
    reading = given(**{name: f" {of(name)}\r\n"}, **BESIDE.get(name, {}))
    assert held(reading, name) == of(name)
    assert "canary" not in repr(reading.settings)
    (row,) = (row for row in rows(reading) if row.name == name)
    assert (row.value, row.source, row.secret) == (HIDDEN, "variable", True)


@pytest.mark.parametrize("name", [name for name in SECRETS if variables(Settings)[f"{name}_FILE"].of_file])
def test_every_secret_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{of(name)}\n")
    reading = given(
        **{f"{name}_FILE": str(file)}, **BESIDE.get(name, {})
    )  # one that has a setting of its own for a file that is read again is not here
    assert held(reading, name) == of(name)
    (row,) = (row for row in rows(reading) if row.name == name)
    assert (row.value, row.source) == (HIDDEN, "file")


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff\xfe", b"x" * 2_000_000], ids=["absent", "empty", "blank", "no text", "large"]
)
def test_a_file_of_a_secret_that_cannot_be_used_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    assert str(file) in sentence(TOCSIN_KAFKA__SASL_PASSWORD_FILE=str(file))
    assert str(tmp_path) in sentence(TOCSIN_KAFKA__SASL_PASSWORD_FILE=str(tmp_path))


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    told = sentence(TOCSIN_KAFKA__SASL_PASSWORD="canary", TOCSIN_KAFKA__SASL_PASSWORD_FILE=str(tmp_path / "secret"))
    assert "TOCSIN_KAFKA__SASL_PASSWORD and TOCSIN_KAFKA__SASL_PASSWORD_FILE are both set" in told
    assert "canary" not in told


@pytest.mark.parametrize("name", ["TOCSIN_REDIS__URL", "TOCSIN_FHIR__BEARER_TOKEN"])
def test_a_wrong_secret_is_not_repeated(name: str) -> None:
    assert "canary" not in sentence(**{name: "can\nary http://:canary@x"})


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    argv = [sys.executable, "-m", "tocsin", *arguments]
    return subprocess.run(argv, env={**ours, **variables}, capture_output=True, text=True, timeout=60, check=False)


def test_tocsin_settings_lists_each_with_value_unit_default_source_and_what_it_is_for() -> None:
    done = command("settings", "--json", TOCSIN_CONSUME__RETRY_MAX_S="12", TOCSIN_KAFKA__SASL_PASSWORD="canary")
    assert (done.returncode, done.stderr) == (0, "")
    found = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(found) == {name for name, each in variables(Settings).items() if not each.of_file}
    assert found["TOCSIN_CONSUME__RETRY_MAX_S"] == {
        "name": "TOCSIN_CONSUME__RETRY_MAX_S",
        "value": "12.0",
        "unit": "seconds",
        "default": "30.0",
        "source": "variable",
        "secret": False,
        "description": "Longest pause between two attempts, Retry-After included.",
    }
    assert all(row["description"] for row in found.values())
    text = command("settings", TOCSIN_CONSUME__RETRY_MAX_S="12", TOCSIN_KAFKA__SASL_PASSWORD="canary").stdout
    assert "TOCSIN_CONSUME__RETRY_MAX_S=12.0 seconds  [from a variable; default 30.0]" in text
    assert f"TOCSIN_KAFKA__SASL_PASSWORD={HIDDEN}" in text
    assert "canary" not in text + done.stdout


def test_a_wrong_setting_ends_every_command_with_one_line() -> None:
    done = command("settings", TOCSIN_LOG="debug")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (78, "", 1)
    assert "TOCSIN_LOG__LEVEL=info" in done.stderr


def test_the_version_is_said_and_shells_complete_commands() -> None:
    assert re.fullmatch(r"tocsin \d+\.\d+\.\d+\n", command("--version").stdout)
    completed = command(_TOCSIN_COMPLETE="complete_bash", COMP_WORDS="tocsin dead", COMP_CWORD="1")
    assert "dead-letters" in completed.stdout


ORIGIN = "https://pacs.example.org"


@pytest.mark.parametrize(
    "credentials",
    [
        '{"username": "tocsin"}',
        '{"password": "canary"}',
        '{"username": "tocsin", "password": "canary", "password_file": "/x"}',
        '{"username": "tocsin", "bearer_token": "canary"}',
        '{"header_name": "X-Key", "bearer_token": "canary"}',
        '{"header_name": "X-Key", "username": "tocsin", "password": "canary"}',
        '{"header_value": "canary"}',
        '{"header_name": "X Key", "header_value": "canary"}',
        '{"header_name": "X-Key", "header_value": "canary\\r\\nX-Other: 1"}',
        "{}",
    ],
)
def test_credentials_of_no_one_kind_are_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, credentials: str) -> None:
    monkeypatch.setenv("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", f'["{ORIGIN}"]')
    monkeypatch.setenv("TOCSIN_IMAGE__ORIGIN_CREDENTIALS", f'{{"{ORIGIN}": {credentials}}}')
    with pytest.raises(ConfigurationError, match="TOCSIN_IMAGE__ORIGIN_CREDENTIALS") as caught:
        read_settings()
    assert "canary" not in str(caught.value)


def test_credentials_are_for_an_allowed_origin_and_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_IMAGE__ORIGIN_CREDENTIALS", f'{{"{ORIGIN}:443/": {{"username": "tocsin", "password": "canary"}}}}')
    with pytest.raises(ConfigurationError, match="TOCSIN_IMAGE__URL_ORIGINS_ALLOWED"):
        read_settings()
    monkeypatch.setenv("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", f'["{ORIGIN}"]')
    settings = read_settings()
    assert set(settings.image.origin_credentials) == {ORIGIN}
    assert "canary" not in repr(settings)


@pytest.mark.parametrize("value", ["canary", "ftp://canary:21", "http://", "http://host:canary", "http://host/path"])
def test_a_proxy_that_is_none_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TOCSIN_FHIR__PROXY_URL", value)
    with pytest.raises(ConfigurationError, match="TOCSIN_FHIR__PROXY_URL") as caught:
        read_settings()
    assert "canary" not in str(caught.value)
