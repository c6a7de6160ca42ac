"""Helm refuses values that no process would take, before anything is installed."""

from __future__ import annotations

from typing import Final

import pytest

from tests.deploy.chart.helm import CI, template

MINIMAL: Final = ("--values", str(CI["minimal"]))

WRONG: Final = {
    "a misspelt setting": ("settings.kafka.bootstrap_server=kafka:9092", "bootstrap_server"),
    "a misspelt group": ("settings.kafak.group_id=x", "kafak"),
    "a misspelt value": ("consume.replcias=2", "replcias"),
    "a misspelt sub-chart's value, while the sub-chart is off": ("redis.enabld=true", "enabld"),
    "a word for a number": ("settings.consume.workers=many", "workers"),
    "a number out of its bounds": ("settings.traces.ratio=2", "ratio"),
    "an address without its scheme": ("settings.fhir.base_url=fhir.example.org", "base_url"),
    "a secret among the settings": ("settings.kafka.sasl_password=x", "sasl_password"),
    "a password in an address": ("settings.redis.url=redis://:x@redis:6379/0", "url"),
    "a secret of a credential by itself": ("secrets.image.origin_credentials.https://pacs.password=x", "password"),
    "a tag that changes": ("image.tag=latest", "tag"),
    "another variable than OpenTelemetry's": ("environment.TOCSIN_LOG__LEVEL=debug", "TOCSIN_LOG__LEVEL"),
    "the name that each pod has for itself": ("settings.kafka.group_instance_id=one", "group_instance_id"),
    "a picture that is no reference": ("tests.event.media=rehearsal", "media"),
    "a second beat": ("beat.replicas=2", "replicas"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_refused_by_its_name(case: str) -> None:
    value, name = WRONG[case]
    said = template(*MINIMAL, "--set", value)
    assert said.code != 0
    assert name in said.complaint


def test_all_that_is_missing_is_said_at_once() -> None:
    said = template()
    assert said.code != 0
    for name in (
        "image.repository",
        "image.tag or image.digest",
        "settings.kafka.bootstrap_servers",
        "settings.fhir.base_url",
        "settings.triton.grpc_url",
        "settings.redis.url",
        "settings.report.source",
    ):
        assert f"{name}: " in said.complaint


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("redis.enabled=true,redis.image.repository=redis,redis.image.tag=v1", "redis.enabled and settings.redis.url: keep one of them"),
        (
            "triton.enabled=true,triton.image.repository=triton,triton.image.tag=v1,triton.models.claim=models",
            "triton.enabled and settings.triton.grpc_url: keep one of them",
        ),
        ("consume.autoscaling.max=1", "consume.autoscaling.max: it is below consume.autoscaling.min"),
        ("tests.event.media=Media/m", "tests.event.media and tests.event.subject: name both, or neither"),
        ("secrets.fhir.proxy_url.secret=proxy,secrets.fhir.proxy_url.key=url", "networkPolicy.ports.proxy: name the port of the proxy"),
        ("secrets.cds.proxy_url.secret=proxy,secrets.cds.proxy_url.key=url", "networkPolicy.ports.proxy: name the port of the proxy"),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: str, said: str) -> None:
    assert said in template(*MINIMAL, "--set", values).complaint


@pytest.mark.parametrize(("sub_chart", "wanted"), [("redis", "redis.image: "), ("triton", "triton.image: ")])
def test_a_sub_chart_without_an_image_says_what_to_name(sub_chart: str, wanted: str) -> None:
    own = {"redis": "settings.redis.url=null", "triton": "settings.triton.grpc_url=null"}[sub_chart]
    said = template(*MINIMAL, "--set", f"{sub_chart}.enabled=true,{own}")
    assert said.code != 0
    assert wanted in said.complaint


def test_a_number_stays_as_it_was_written() -> None:
    said = template(*MINIMAL, "--set", "settings.image.in_flight_bytes_max=1073741824")
    assert 'TOCSIN_IMAGE__IN_FLIGHT_BYTES_MAX: "1073741824"' in said.output
