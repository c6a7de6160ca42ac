"""The audit sample draws reports below threshold with the probability that it states, the same again and again, and has them read."""

from __future__ import annotations

import math
import secrets
from datetime import timedelta
from typing import Any

import pytest
from tocsin.bootstrap.audit import drawn, sample_of
from tocsin.report.flag import Flag
from tocsin.review.ehr_tasks import Inbox, task_id
from tocsin.review.measures import watch_worklist
from tocsin.review.notices import Overdue
from tocsin.review.sample import Judged, Sample
from tocsin.review.types import Act
from tocsin.review.worklist import Ranks, Worklist
from tocsin.settings import AuditSettings, ReportSettings, Settings
from tocsin.telemetry.metrics import AUDIT_SAMPLE

from tests.builders import card
from tests.fakes.ehr_tasks import FakeTasks
from tests.support.flags import HOUR, NOW, flag, standing, verdict
from tests.support.measured import measured

BANDS = card().operating_point.bands
SITE = "urn:tocsin:site:north"
SECRET = secrets.token_hex(32)
THRESHOLD = 0.1


def sample(**changes: Any) -> Sample:
    whole: dict[str, Any] = {
        "rate": 0.05,
        "near_weight": 4.0,
        "probability_max": 0.5,
        "threshold": THRESHOLD,
        "since": NOW,
        "secret": SECRET.encode(),
    }
    return Sample(**(whole | changes))


def below(number: int = 1, score: float = 0.01, **changes: Any) -> Flag:
    return flag(number, "below-threshold", **({"probability": score} | changes))


def judged(number: int = 1, score: float | None = 0.01, **changes: Any) -> Judged:
    whole: dict[str, Any] = {"media": f"Media/m{number}", "score": score, "flagged": False, "status": "preliminary", "issued": NOW}
    return Judged(**(whole | changes))


def settings(rate: float | None = 1.0, **changes: Any) -> Settings:
    of: dict[str, Any] = {"rate": rate, "probability_max": 1.0, "secret": SECRET, "since": NOW} if rate is not None else {}
    return Settings(audit=AuditSettings(**(of | changes)), report=ReportSettings(source=SITE))


def test_it_is_likelier_near_the_threshold_on_the_scale_of_the_logit_and_never_above_the_cap() -> None:
    of = sample()
    near, one_below, far = (1 / (1 + math.exp(-(math.log(1 / 9) - each))) for each in (0.0, 1.0, 20.0))
    assert of.probability(judged(score=near)) == pytest.approx(0.2)
    assert of.probability(judged(score=one_below)) == pytest.approx(0.05 * (1 + 3 / math.e))
    assert of.probability(judged(score=far)) == pytest.approx(0.05)
    assert of.probability(judged(score=0.0)) == pytest.approx(0.05)
    assert sample(probability_max=0.08).probability(judged(score=near)) == 0.08
    assert sample(near_weight=1).probability(judged(score=near)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "other",
    [
        {"flagged": True, "score": 0.6},
        {"score": None},
        {"status": "entered-in-error"},
        {"issued": None},
        {"issued": NOW - timedelta(seconds=1)},
    ],
    ids=["flagged", "not assessable", "withdrawn", "of no known time", "of before"],
)
def test_what_is_not_below_threshold_now_is_not_drawn_from(other: dict[str, Any]) -> None:
    of = sample(rate=1.0, probability_max=1.0)
    assert of.draws(judged())
    assert of.probability(judged(**other)) is None
    assert not of.draws(judged(**other))


@pytest.mark.parametrize("score", [0.001, 0.05, 0.0999])
def test_it_draws_as_often_as_it_says(score: float) -> None:
    of, n = sample(secret=b"a fixed secret, so that the draws are"), 20_000
    probability = of.probability(judged(score=score))
    assert probability is not None
    drawn_ = sum(of.draws(judged(number, score)) for number in range(n))
    assert abs(drawn_ - n * probability) < 3.5 * math.sqrt(n * probability * (1 - probability))


def test_whoever_repeats_a_draw_draws_the_same_and_without_the_secret_nobody_can() -> None:
    numbers = range(2_000)
    once, again, other, anew = (
        {each for each in numbers if of.draws(judged(each, 0.09))}
        for of in (sample(), sample(), sample(secret=b"x" * 32), sample(since=NOW - HOUR))
    )
    assert once == again
    for stranger in (other, anew):
        assert len(once & stranger) < 0.5 * len(once)
    assert SECRET not in repr(sample())


def test_a_higher_score_keeps_what_a_lower_one_drew() -> None:
    of = sample()
    low, high = ({each for each in range(2_000) if of.draws(judged(each, score))} for score in (0.01, 0.09))
    assert low < high


def test_without_a_rate_nothing_is_drawn_and_of_another_site_neither() -> None:
    assert sample_of(settings(None), card()) is None
    assert not drawn(settings(None), card())(below())
    assert drawn(settings(), card())(below())
    assert not drawn(settings(), card())(below(source="urn:tocsin:site:south"))


@pytest.mark.parametrize("partly", [{"rate": 0.05}, {"rate": 0.05, "secret": SECRET}, {"secret": SECRET, "since": NOW}, {"since": NOW}])
def test_rate_secret_and_since_go_together(partly: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="TOCSIN_AUDIT__SINCE"):
        AuditSettings(**partly)


def worklist() -> Worklist:
    """A list of one that is flagged, one not assessable, two below threshold; r3 alone is drawn."""
    of = Worklist(Ranks.of(BANDS), 1_000, lambda each: each.media == "Media/m3")
    for number, band in ((1, "high"), (2, None), (4, "below-threshold")):
        of.flag(flag(number, band))
    of.flag(below(3, at=NOW - HOUR))
    return of


def order(of: Worklist) -> list[str]:
    return [row.report.removeprefix("DiagnosticReport/") for row in of.rows()]


def test_it_stands_before_the_others_that_are_not_flagged_until_it_is_read() -> None:
    of = worklist()
    assert order(of) == ["r1", "r2", "r3", "r4"]
    of.verdict(verdict(3, at=NOW))
    of.standing(standing(3, at=NOW))
    assert order(of) == ["r1", "r2", "r4", "r3"]
    of.verdict(verdict(3, Act.UNDO, at=NOW + HOUR, id=2))
    of.standing(standing(3, at=NOW + HOUR, verdict=2))
    assert order(of) == ["r1", "r2", "r3", "r4"]


def test_it_is_not_forgotten_unread_and_nobody_is_alarmed() -> None:
    of = worklist()
    of.forget(NOW + 100 * HOUR)
    assert order(of) == ["r1", "r2", "r3"]
    row = of.row("DiagnosticReport/r3")
    assert row is not None
    assert not Overdue.of(60.0, None, BANDS).is_overdue(row, NOW + 100 * HOUR)


def test_a_list_that_is_read_again_draws_the_same() -> None:
    one, other = (Worklist(Ranks.of(BANDS), 1_000, drawn(settings(0.3, near_weight=1), card())) for _ in range(2))
    for number in range(300):
        one.flag(below(number))
    for number in reversed(range(300)):
        other.flag(below(number))
        other.flag(below(number, at=NOW + HOUR, issued=NOW))
    first, second = ({row.report for row in of.rows() if row.sampled} for of in (one, other))
    assert first == second
    assert 50 < len(first) < 130


def test_it_gets_a_task_like_a_flag_s() -> None:
    of, tasks = worklist(), FakeTasks()
    of.flag(flag(5, "raised"))
    inbox = Inbox(tasks, "https://tocsin.example.org/launch", "high", SITE, timedelta(days=7))
    assert inbox.update(of.rows(), NOW) == 3
    drawn_, flagged = (tasks.tasks[task_id(f"DiagnosticReport/r{number}")] for number in (3, 5))
    assert {name: drawn_[name] for name in ("status", "intent", "priority", "code")} == {
        name: flagged[name] for name in ("status", "intent", "priority", "code")
    }
    of.verdict(verdict(3, at=NOW + HOUR))
    of.standing(standing(3, at=NOW + HOUR))
    assert inbox.update(of.rows(), NOW + HOUR) == 1
    assert tasks.tasks[task_id("DiagnosticReport/r3")]["status"] == "completed"


def test_it_is_measured_by_whether_it_was_read() -> None:
    with measured() as found:
        of = worklist()
        watch_worklist(of, lambda: 0.0, Overdue.of(60.0, None, BANDS), lambda: NOW)
        assert found.of(AUDIT_SAMPLE, reading="unread") == 1
        of.verdict(verdict(3, at=NOW))
        of.standing(standing(3, at=NOW))
        assert found.of(AUDIT_SAMPLE, reading="unread") == 0
        assert found.of(AUDIT_SAMPLE, reading="read") == 1
