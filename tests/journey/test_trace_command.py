"""`tocsin trace` on the real parts: what became of a picture, with a back end of traces and without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tocsin.cli.commands import app
from tocsin.sandbox.jaeger import Jaeger
from typer.testing import CliRunner, Result

from tests.support.house import CANARY, House
from tests.support.waiting import eventually

WITHIN_S = 60


def asked(hospital: House, *words: str, **more: str) -> Result:
    names = hospital.bus.settings
    topics = {f"TOCSIN_KAFKA__{field.upper()}": name for field, name in names if field.startswith("topic_")}
    known: Mapping[str, str] = {**hospital.variables, **topics, **more, "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["trace", *words], env=dict(known))


def told(hospital: House, *words: str, **more: str) -> dict[str, Any]:
    done = asked(hospital, *words, "--json", **more)
    assert done.exit_code == 0, done.output
    assert CANARY not in done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_without_a_back_end_record_and_bus_tell_what_became_of_a_picture(quick_hospital: House) -> None:
    subject = quick_hospital.record.patient("p-told")
    media, refused = quick_hospital.record.media("told-1", subject), quick_hospital.record.media("told-2", None)
    with quick_hospital.consuming():
        quick_hospital.bus.announce(media, subject)
        quick_hospital.bus.announce(refused, subject)
        eventually(
            lambda: len(quick_hospital.bus.flags()) == len(quick_hospital.bus.letters()) == 1, within_s=WITHIN_S, what="both endings"
        )
    story = told(quick_hospital, media)
    assert [each["what"] for each in story["sightings"]] == ["announced", "reported", "flagged"]
    [announced, reported, flagged] = story["sightings"]
    assert announced["where"].startswith(f"{quick_hospital.bus.settings.topic_imaging}[")
    assert (flagged["report"], flagged["trace_id"]) == (reported["where"], reported["trace_id"])
    assert [each["whole"] for each in story["looked"]] == [True] * 4
    assert story["missing"][0].startswith("No back end of traces is configured")
    for name in (reported["where"], reported["trace_id"]):
        assert {"announced", "flagged"} <= {each["what"] for each in told(quick_hospital, name)["sightings"]}
    assert [(each["what"], each.get("reason")) for each in told(quick_hospital, refused)["sightings"]] == [
        ("announced", None),
        ("refused", "subject-missing"),
    ]


def test_of_what_nobody_knows_nothing_is_told_and_the_exit_code_says_so(quick_hospital: House) -> None:
    done = asked(quick_hospital, "Media/of-nobody")
    assert (done.exit_code, "Nothing was found of Media/of-nobody" in done.stdout) == (1, True)


@pytest.mark.jaeger
def test_a_journey_is_shown_from_its_trace_by_picture_report_and_trace_id(quick_hospital: House, jaeger_server: Jaeger) -> None:
    subject = quick_hospital.record.patient("p-shown")
    media = quick_hospital.record.media("shown-1", subject)
    sending = {"TOCSIN_OTLP__ENDPOINT": jaeger_server.otlp_http_url, "TOCSIN_OTLP__EVERY_S": "0.2", "TOCSIN_TRACES__RATIO": "1"}
    with quick_hospital.consuming(**sending):
        quick_hospital.bus.announce(media, subject)
        eventually(lambda: len(quick_hospital.bus.flags()) == 1, within_s=WITHIN_S, what="a flag")
    url = {"TOCSIN_TRACES__QUERY_URL": jaeger_server.query_url}
    eventually(lambda: bool(told(quick_hospital, media, **url)["traces"]), within_s=WITHIN_S, what="the trace at Jaeger")
    [trace] = told(quick_hospital, media, **url)["traces"]
    [flag] = quick_hospital.bus.flags()
    for name in (flag.report, trace["trace_id"]):
        assert [each["trace_id"] for each in told(quick_hospital, name, **url)["traces"]] == [trace["trace_id"]]
    root = trace["spans"][0]
    assert (root["name"], root["attributes"]["tocsin.ending"]) == (f"process {quick_hospital.bus.settings.topic_imaging}", "published")
    stages = {each["name"] for each in trace["spans"] if each["depth"] == 1}
    assert {"fetch", "find", "decode", "gate", "infer", "write", "announce"} <= stages
    shown = asked(quick_hospital, flag.report, **url).stdout
    assert "ATTEMPT" in shown
    assert f"trace {trace['trace_id']}" in shown
