"""Labelled pictures go the journey's way up to the judgement; what cannot be judged says why, and a server that is away is waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tocsin.errors import ContractError, TensorRejected, TocsinError, Unavailable
from tocsin.image.decode import Decoder
from tocsin.image.gate import acceptance
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import PatientFacts
from tocsin.inference.ports import Classifier
from tocsin.inference.types import Findings, Tensor
from tocsin.learning.labels_csv import Labelled
from tocsin.learning.pictures import Folder
from tocsin.learning.run import PAUSES_S, Asked, Judging
from tocsin.learning.types import Scored
from tocsin.risk.look import Judge
from tocsin.settings import ImageSettings
from tocsin.site.gate import InputGate

from tests.builders import card
from tests.fakes.stages import FakeClassifier
from tests.support.gates import WithFeatures, card_with_features, gate
from tests.support.judging import House, event
from tests.support.pictures import encoded, textured

CARD = card()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Clock:
    """Time that passes only where somebody waits."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@dataclass
class Away:
    """A classifier that fails a number of times before it answers."""

    failures: list[TocsinError]
    within: Classifier = field(default_factory=lambda: FakeClassifier(CARD))

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        if self.failures:
            raise self.failures.pop(0)
        return self.within.classify(image, facts)


def judging(classifier: Classifier | None = None, clock: Clock | None = None, at_once: int = 4, gate: InputGate | None = None) -> Judging:
    time = clock or Clock()
    return Judging(
        Judge(
            Decoder(Allowance(100_000_000, 10), pixels_max=1_000_000, reduce_to_px=None),
            acceptance(CARD, ImageSettings()),
            classifier or FakeClassifier(CARD),
            CARD,
            gate,
        ),
        at_once=at_once,
        give_up_after_s=120,
        wait=time.wait,
        clock=lambda: time.now,
    )


def asked(tmp_path: Path, content: bytes | None = None, *, name: str = "a.jpg", age: float | None = None, modality: str = "DMS") -> Asked:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    folder = Folder(modality, 1_000_000, lambda: NOON)
    return folder.asked(Labelled(2, file, PatientFacts(age_years=age), Scored(name, None, malignant=True)))


def test_the_score_is_the_very_journeys(tmp_path: Path) -> None:
    content = encoded(textured(64, 48, seed=3))
    scored = judging().score(asked(tmp_path, content))
    house = House({})
    picture = replace(asked(tmp_path, content).fetch(), media="Media/m1", subject="Patient/p1")
    house.pictures.pictures["Media/m1"] = picture
    house.judge(event())
    [flag] = house.flags.announced
    assert scored.score == pytest.approx(flag.probability, abs=5e-7)
    assert scored.score is not None
    assert 0 < scored.score < 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "file-missing"),
        (b"no picture", "not-an-image"),
        (encoded(textured(64, 48))[:400], "image-truncated"),
        (encoded(textured(2_000, 1_000)), "too-many-pixels"),
        (b"x" * 1_000_001, "content-too-large"),
        (encoded(textured(16, 16)), "too-small"),
    ],
)
def test_what_cannot_be_judged_says_why_and_keeps_its_label(tmp_path: Path, content: bytes | None, reason: str) -> None:
    assert judging().score(asked(tmp_path, content)) == Scored("a.jpg", None, refusal=reason, malignant=True)


@pytest.mark.parametrize("first", [0.1, 0.9])
def test_a_sites_input_gate_refuses_what_it_refuses_in_the_journey(tmp_path: Path, first: float) -> None:
    content, by = encoded(textured(64, 48)), gate(card_with_features())
    asking = WithFeatures(CARD, first=first)
    scored = judging(asking, gate=by).score(asked(tmp_path, content))
    house = House({"Media/m1": replace(asked(tmp_path, content).fetch(), media="Media/m1", subject="Patient/p1")})
    house.judging(classifier=asking, input_gate=by)(event())
    [flag] = house.flags.announced
    assert scored.refusal == flag.reason == (None if first < 0.5 else "wrong-kind-of-picture")
    assert scored.malignant
    assert judging(asking).score(asked(tmp_path, content)).score is not None  # without a gate nothing is refused


def test_the_gate_looks_at_modality_and_age(tmp_path: Path) -> None:
    content = encoded(textured(64, 48))
    assert judging().score(asked(tmp_path, content, modality="XC")).refusal == "modality-not-accepted"
    assert judging().score(asked(tmp_path, content, age=12)).refusal == "outside-intended-ages"


def test_a_model_that_refuses_or_answers_nonsense_gives_no_score(tmp_path: Path) -> None:
    content = encoded(textured(64, 48))
    assert judging(Away([TensorRejected("INVALID_ARGUMENT")])).score(asked(tmp_path, content)).refusal == "tensor-rejected"

    class Nonsense:
        def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
            return Findings(CARD.model, dict.fromkeys([each.code for each in CARD.output.classes], float("nan")))

    assert judging(Nonsense()).score(asked(tmp_path, content)).refusal == "model-gave-no-answer"


def test_a_server_that_is_away_is_waited_for_with_growing_pauses(tmp_path: Path) -> None:
    clock = Clock()
    scored = judging(Away([Unavailable("triton", "UNAVAILABLE")] * 7), clock).score(asked(tmp_path, encoded(textured(64, 48))))
    assert scored.score is not None
    assert clock.waits == [*PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]]


def test_a_server_that_stays_away_ends_the_run_within_its_budget(tmp_path: Path) -> None:
    clock = Clock()
    with pytest.raises(Unavailable):
        judging(Away([Unavailable("triton", "UNAVAILABLE")] * 1_000), clock).score(asked(tmp_path, encoded(textured(64, 48))))
    assert 100 < clock.now <= 120


def test_another_model_than_the_cards_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        list(judging(Away([ContractError("another model")])).scored([asked(tmp_path, encoded(textured(64, 48)))]))


def test_pictures_are_given_in_their_order_and_few_are_taken_ahead(tmp_path: Path) -> None:
    content, taken, given, ahead = encoded(textured(64, 48)), [], [], []

    def pictures() -> Iterator[Asked]:
        for number in range(40):
            taken.append(number)
            yield asked(tmp_path, content, name=f"{number}.jpg")

    for scored in judging(at_once=3).scored(pictures()):
        given.append(scored.picture)
        ahead.append(len(taken) - len(given))
    assert given == [f"{number}.jpg" for number in range(40)]
    assert max(ahead) < 6


def test_several_pictures_are_under_way_together(tmp_path: Path) -> None:
    meeting = threading.Barrier(4, timeout=30)

    class Meeting:
        def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
            meeting.wait()
            return FakeClassifier(CARD).classify(image, facts)

    pictures = [asked(tmp_path, encoded(textured(64, 48)), name=f"{number}.jpg") for number in range(4)]
    assert all(each.score is not None for each in judging(Meeting(), at_once=4).scored(pictures))


def test_a_pictures_name_is_in_nothing_that_could_be_logged(tmp_path: Path) -> None:
    picture = asked(tmp_path, encoded(textured(64, 48)), name="a name.jpg").fetch()
    assert "name" not in picture.media
