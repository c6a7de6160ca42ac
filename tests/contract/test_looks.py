"""Readers' looks, by every adapter: of all processes the first answer holds, and none counts that came after the result was shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier, Thread

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from redis import Redis as Client
from tocsin.bootstrap.page import looks_first
from tocsin.errors import Unavailable
from tocsin.sandbox.redis import Redis
from tocsin.serve.app import make_app
from tocsin.serve.doors import OfRequest
from tocsin.serve.page.blueprint import blueprint
from tocsin.serve.page.looks import Impression, Look, Looks
from tocsin.serve.page.ports import Rules
from tocsin.serve.paper import blueprint as printed
from tocsin.serve.sessions.looks import RedisLooks
from tocsin.serve.types import Role
from tocsin.settings import PageSettings, RedisSettings, ServeSettings, Settings

from tests.fakes.looks import DictLooks
from tests.fakes.page import SOURCE, Clinic, clinic, reader
from tests.support.pictures import encoded, textured

NOW = datetime(2026, 11, 28, 12, 30, 1, 250_000, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
KEEP_S = 36_000
PICTURE = encoded(textured(64, 48))
AWAY = RedisSettings(url=SecretStr("redis://127.0.0.1:9/0"), connect_timeout_s=0.5)
BLIND = Settings(page=PageSettings(first_look_roles=("reader",)))
Processes = tuple[Looks, Looks]


@pytest.fixture
def real(redis_server: Redis) -> Iterator[Client]:
    """A real Redis, empty."""
    with closing(Client.from_url(redis_server.url)) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_processes(real: Client, redis_server: Redis) -> Processes:
    settings = RedisSettings(url=SecretStr(redis_server.url))
    return RedisLooks(settings, KEEP_S), RedisLooks(settings, KEEP_S)


@pytest.fixture(params=["fake", "redis"])
def processes(request: pytest.FixtureRequest) -> Processes:
    """Looks as two processes have them."""
    kept: dict[tuple[str, str], Look] = {}
    return (DictLooks(kept), DictLooks(kept)) if request.param == "fake" else request.getfixturevalue("redis_processes")


def test_nothing_is_known_of_who_has_not_looked(processes: Processes) -> None:
    here, _ = processes
    assert here.at("s", "DiagnosticReport/r1") == Look()
    assert here.at("s", "DiagnosticReport/r1").is_none


def test_the_first_answer_holds_in_all_processes(processes: Processes) -> None:
    here, there = processes
    here.said("s", "DiagnosticReport/r1", Impression.BENIGN)
    there.said("s", "DiagnosticReport/r1", Impression.SUSPICIOUS)
    assert here.at("s", "DiagnosticReport/r1") == there.at("s", "DiagnosticReport/r1") == Look(Impression.BENIGN)


def test_the_result_was_first_shown_when_any_process_showed_it_first(processes: Processes) -> None:
    here, there = processes
    here.said("s", "DiagnosticReport/r1", Impression.UNSURE)
    assert here.opened("s", "DiagnosticReport/r1", NOW) == Look(Impression.UNSURE, NOW)
    assert there.opened("s", "DiagnosticReport/r1", LATER) == Look(Impression.UNSURE, NOW)
    assert there.at("s", "DiagnosticReport/r1") == Look(Impression.UNSURE, NOW)


def test_an_answer_after_any_process_showed_the_result_is_no_first_look(processes: Processes) -> None:
    here, there = processes
    assert here.opened("s", "DiagnosticReport/r1", NOW) == Look(None, NOW)
    there.said("s", "DiagnosticReport/r1", Impression.BENIGN)
    assert there.at("s", "DiagnosticReport/r1") == Look(None, NOW)
    assert not there.at("s", "DiagnosticReport/r1").is_none


def test_looks_are_one_sessions_at_one_report(processes: Processes) -> None:
    here, there = processes
    here.said("s", "DiagnosticReport/r1", Impression.BENIGN)
    assert (there.at("t", "DiagnosticReport/r1"), there.at("s", "DiagnosticReport/r2")) == (Look(), Look())


def test_a_time_is_the_same_moment_in_whatever_zone_it_was_told(processes: Processes) -> None:
    here, there = processes
    here.opened("s", "DiagnosticReport/r1", NOW.astimezone(timezone(timedelta(hours=2))))
    assert there.at("s", "DiagnosticReport/r1").opened_at == NOW


def test_of_two_answers_at_the_same_time_one_holds(redis_processes: Processes) -> None:
    for number in range(20):
        report, together = f"DiagnosticReport/r{number}", Barrier(2)

        def say(looks: Looks, impression: Impression, report: str = report, together: Barrier = together) -> None:
            together.wait(5)
            looks.said("s", report, impression)

        both = [Thread(target=say, args=each) for each in zip(redis_processes, (Impression.BENIGN, Impression.UNSURE), strict=True)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        held = [looks.at("s", report).impression for looks in redis_processes]
        assert held[0] is held[1] is not None
        redis_processes[0].said("s", report, Impression.SUSPICIOUS)
        assert redis_processes[1].at("s", report).impression is held[0]


def test_redis_holds_neither_session_nor_report_and_nothing_for_good(redis_processes: Processes, real: Client) -> None:
    here, _ = redis_processes
    here.said("session-1", "DiagnosticReport/r1", Impression.BENIGN)
    here.opened("session-1", "DiagnosticReport/r1", NOW)
    here.opened("session-1", "DiagnosticReport/r2", NOW)
    kept = {key: real.hgetall(key) for key in real.scan_iter()}
    assert len(kept) == 2
    assert all(re.fullmatch(rb"tocsin\.serve\.look\.[0-9a-f]{64}", key) for key in kept)
    assert [word for word in ("session-1", "DiagnosticReport", "r1", "r2") if word in repr(sorted(map(sorted, kept.values())))] == []
    assert all(KEEP_S - 60 < real.ttl(key) <= KEEP_S for key in kept)


def test_a_reader_who_launches_anew_has_seen_what_they_saw(processes: Processes) -> None:
    here, there = processes
    before, anew, other = reader(), replace(reader(), key="f" * 64), replace(reader(), clinician="Practitioner/other")
    here.opened(before.reader, "DiagnosticReport/r1", NOW)
    assert not looks_first(BLIND, there)(anew, "DiagnosticReport/r1")
    assert looks_first(BLIND, there)(other, "DiagnosticReport/r1")


def test_a_look_is_kept_as_long_again_once_more_is_known_of_it(redis_processes: Processes, real: Client) -> None:
    here, _ = redis_processes
    here.said("s", "DiagnosticReport/r1", Impression.BENIGN)
    [key] = real.keys()
    real.expire(key, 5)
    here.opened("s", "DiagnosticReport/r1", NOW)
    assert real.ttl(key) > KEEP_S - 60


def test_where_redis_is_away_nothing_is_guessed() -> None:
    looks = RedisLooks(AWAY, KEEP_S)
    for ask in (
        lambda: looks.at("s", "DiagnosticReport/r1"),
        lambda: looks.said("s", "DiagnosticReport/r1", Impression.BENIGN),
        lambda: looks.opened("s", "DiagnosticReport/r1", NOW),
    ):
        with pytest.raises(Unavailable, match="redis"):
            ask()


def fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([a-z_-]+)" value="([^"]*)"', page))


def pods(processes: Processes) -> tuple[Clinic, FlaskClient, FlaskClient]:
    """One record as two processes show it, to readers who look first."""
    here, there = processes
    made = clinic(PICTURE, blind=frozenset({Role.READER}), looks=here)
    other = Clinic(record=made.record, sessions=made.sessions, looks=there, blind=made.blind, content=PICTURE)
    other.desk = made.desk
    return made, made.app().test_client(), other.app().test_client()


def test_a_verdict_is_taken_by_another_process_than_the_first_look(processes: Processes) -> None:
    made, here, there = pods(processes)
    here.post(f"{made.path}/first-look", data=fields(here.get(made.path).text) | {"impression": "benign"})
    shown = here.get(made.path).text
    answer = there.post(f"{made.path}/verdict", data=fields(shown) | {"act": "accept"})
    [verdict] = [each for each, _ in made.desk.kept.values()]
    assert (answer.status_code, verdict.first_look, verdict.opened_at) == (303, "benign", made.now)


def test_another_process_keeps_no_first_look_once_the_result_was_shown(processes: Processes) -> None:
    made, here, there = pods(processes)
    form = fields(here.get(made.path).text)
    here.post(f"{made.path}/first-look", data=form | {"impression": "benign"})
    here.get(made.path)
    there.post(f"{made.path}/first-look", data=form | {"impression": "suspicious"})
    page = there.get(made.path).text
    assert "Your first look, before this result was shown: Benign" in page
    assert "What do you see?" not in page


def test_a_document_is_printed_by_another_process_than_the_first_look(processes: Processes) -> None:
    here, there = processes
    session = reader()
    assert looks_first(BLIND, there)(session, "DiagnosticReport/r1")
    here.said(session.reader, "DiagnosticReport/r1", Impression.UNSURE)
    assert not looks_first(BLIND, there)(session, "DiagnosticReport/r1")


def test_where_redis_is_away_nothing_of_a_report_is_shown_and_redis_is_named() -> None:
    looks = RedisLooks(AWAY, KEEP_S)
    made = clinic(PICTURE, blind=frozenset({Role.READER}), looks=looks)
    page = blueprint(replace(made.ports(), sessions=OfRequest()), Rules(SOURCE, UTC, made.blind))
    paper = printed(lambda _session: None, None, "A4", looks_first(BLIND, looks))  # type: ignore[arg-type] # never asked
    browser = make_app([page, paper], made.sessions, ServeSettings()).test_client()
    form = {"csrf": reader().csrf, "submission": "0" * 32, "report_version": "1", "act": "accept", "impression": "benign"}
    answers = [browser.get(made.path), browser.get(f"{made.path}.pdf")]
    answers += [browser.post(f"{made.path}/{each}", data=form) for each in ("first-look", "verdict")]
    assert [(each.status_code, "Raised" in each.text, "(redis)" in each.text) for each in answers] == [(503, False, True)] * 4
    assert made.desk.kept == {}
