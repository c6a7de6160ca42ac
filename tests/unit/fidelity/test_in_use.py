"""Known pictures are held to the bands by which the site flags, by `tocsin check --pictures` and by each look of the watch."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.bootstrap import operate, watch
from tocsin.fidelity.answers import FILE, written
from tocsin.fidelity.look import Looking
from tocsin.fidelity.make import answers_to
from tocsin.image.types import PatientFacts
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import read_card
from tocsin.sandbox.demo.lesions import lesion
from tocsin.settings import ModelSettings, Settings, WatchSettings
from tocsin.terminal import Silent

from tests.support import site_files
from tests.support.records import SKLESION

CARD = read_card(SKLESION)
KNOWN, MOVED = 0.020, 0.0209
"""Between them lies the site's limit and none of the card's; both lie within the tolerance."""


class Answering:
    """Answers the same score to whatever it is shown."""

    def __init__(self, score: float) -> None:
        self.score = score

    def classify(self, _image: Tensor, _facts: PatientFacts) -> Findings:
        none = {each.code: 0.0 for each in CARD.output.classes}
        return Findings(CARD.model, none | {"mel": self.score, "nv": 1 - self.score})

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that name two known pictures and a site file, where a server answers a little otherwise than the card's network."""
    known = tmp_path / "known"
    known.mkdir()
    for seed in range(2):
        (known / f"{seed}.jpg").write_bytes(lesion(seed))
    (known / FILE).write_text(written(answers_to(known, Looking(Answering(KNOWN), CARD, 10**7), "for a test", Silent()).known))
    limit = site_files.at_site(CARD).site.calibration.probability((KNOWN + MOVED) / 2)
    file = site_files.written(tmp_path / "site", CARD, limits=(limit, 0.9))
    for each in (operate, watch):
        monkeypatch.setattr(each, "TritonClassifier", lambda *_: Answering(MOVED))
    return Settings(model=ModelSettings(card=SKLESION, site_file=file), watch=WatchSettings(pictures=known))


def alone(settings: Settings) -> Settings:
    return settings.model_copy(update={"model": ModelSettings(card=SKLESION)})


def test_a_check_fails_where_a_server_moves_answers_across_the_sites_limit(settings: Settings) -> None:
    assert settings.watch.pictures is not None
    here, by_the_card = (operate.known_pictures(each, settings.watch.pictures)(Silent()) for each in (settings, alone(settings)))
    assert (here.passed, here.found.partition("; flags ")[2]) == (False, "flipped: 2 (1) by the bands of the site file st-elsewhere/3")
    assert (by_the_card.passed, by_the_card.found.partition("; flags ")[2]) == (True, "flipped: 0 (1) by the card's bands")


def test_a_look_alarms_where_a_server_moves_answers_across_the_sites_limit(settings: Settings) -> None:
    states = [look.state for each in (settings, alone(settings)) for look in watch.known_pictures(each, Silent())]
    assert states == ["alarm", "quiet"]
