"""A folder's known answers are made of its pictures alone, and used only with the model and the pictures that they are of."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tocsin.errors import ConfigurationError, Unavailable
from tocsin.fidelity import look
from tocsin.fidelity.answers import FILE, is_ours, read_answers, written
from tocsin.fidelity.check import ASKED_AT_ONCE, pictures_check
from tocsin.fidelity.look import Looking
from tocsin.fidelity.make import Made, answers_to
from tocsin.image.decode import decode
from tocsin.image.types import PatientFacts, Pixels
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import read_card
from tocsin.sandbox.demo.lesions import lesion
from tocsin.telemetry.preflight import Check
from tocsin.terminal import Silent

from tests.support.records import SKLESION
from tests.support.site_files import at_site

CARD = read_card(SKLESION)


class ByBrightness:
    """A classifier that answers by the mean of the pixels, moved by a share; or cannot be reached."""

    def __init__(self, moved: float = 0.0, away: bool = False) -> None:
        self.moved = moved
        self.away = away
        self.told: list[PatientFacts] = []

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        self.told.append(facts)
        if self.away:
            raise Unavailable("triton", "sklesion/1: UNAVAILABLE")
        score = float(image.mean(dtype=float)) / 512 + self.moved
        return Findings(CARD.model, {each.code: 0.0 for each in CARD.output.classes} | {"mel": score, "nv": 1 - score})


def looking(classifier: ByBrightness) -> Looking:
    return Looking(classifier, CARD, 10**7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one of them in a folder of its own, and what is none."""
    (tmp_path / "more").mkdir()
    for number, name in enumerate(("b.jpg", "a.jpeg", "more/c.JPG")):
        (tmp_path / name).write_bytes(lesion(number))
    (tmp_path / "cut.jpg").write_bytes(lesion(3)[:2000])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / ".hidden.jpg").write_bytes(lesion(4))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def made(folder: Path, classifier: ByBrightness | None = None) -> Made:
    found = answers_to(folder, looking(classifier or ByBrightness()), "for a test", Silent())
    (folder / FILE).write_text(written(found.known))
    return found


def checked(folder: Path, classifier: ByBrightness) -> Check:
    return pictures_check(read_answers(folder, CARD), folder, looking(classifier), Silent())


def test_every_picture_that_can_be_judged_gets_its_answer_and_the_others_are_counted_by_reason(folder: Path) -> None:
    found = made(folder)
    assert [each.picture for each in found.known.pictures] == ["a.jpeg", "b.jpg", "more/c.JPG"]
    assert found.left_out == {"image-truncated": 1, "not-an-image": 1}


def test_nothing_is_said_of_a_pictures_patient(folder: Path) -> None:
    asked = ByBrightness()
    made(folder, asked)
    assert set(asked.told) == {PatientFacts()}


def test_answers_read_back_as_they_were_written(folder: Path) -> None:
    known = made(folder).known
    assert read_answers(folder, CARD) == known
    assert is_ours(folder / FILE)


def test_a_file_of_somebody_elses_is_not_taken_for_known_answers(tmp_path: Path) -> None:
    for text in ("answers: 42", "[", "\xff"):
        (tmp_path / FILE).write_text(text)
        assert not is_ours(tmp_path / FILE)


def test_a_server_that_answers_alike_passes_and_one_that_answers_otherwise_fails_with_what_to_do(folder: Path) -> None:
    made(folder)
    same, other = checked(folder, ByBrightness()), checked(folder, ByBrightness(moved=0.02))
    assert (same.passed, same.fix) == (True, "")
    assert same.found.startswith("3 answered; score moved by 0.000000 at most (tolerance 0.01)")
    assert (other.passed, "0.020000 at most" in other.found) == (False, True)
    assert all(words in other.fix for words in ("use_tf32", "2bc646ce2dcd", "deploy/gpu.md", "picture "))


def test_a_check_says_by_whose_bands_flags_are_counted(folder: Path) -> None:
    made(folder)
    local = at_site(CARD, evaluation=None)
    at_the_site = pictures_check(read_answers(folder, local), folder, Looking(ByBrightness(), local, 10**7), Silent())
    assert at_the_site.found.endswith("flags flipped: 0 (1) by the bands of the site file st-elsewhere/3")
    assert checked(folder, ByBrightness()).found.endswith("flags flipped: 0 (1) by the card's bands")


class Unfolded:
    """Counts the pictures whose pixels anybody holds."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._counting = threading.RLock()

    def decode(self, *args: Any, **kwargs: Any) -> Pixels:
        """`decode`, counted."""
        pixels = decode(*args, **kwargs)
        self._count(1)
        weakref.finalize(pixels, self._count, -1)
        return pixels

    def _count(self, more: int) -> None:
        with self._counting:
            self.now += more
            self.most = max(self.most, self.now)


class AllAtOnce(ByBrightness):
    """Answers once as many have asked as may be asked about at once."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = threading.Barrier(ASKED_AT_ONCE)

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        self._asked.wait(timeout=60)
        return super().classify(image, facts)


def test_however_many_pictures_are_asked_about_one_is_unfolded_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(ASKED_AT_ONCE):
        Image.fromarray(np.full((1500, 2000, 3), 20 * number, np.uint8)).save(tmp_path / f"{number}.png", compress_level=1)
    made(tmp_path)
    counted = Unfolded()
    monkeypatch.setattr(look, "decode", counted.decode)
    assert checked(tmp_path, AllAtOnce()).passed
    assert (counted.most, counted.now) == (1, 0)


def test_names_that_are_not_utf_8_are_counted_before_anything_is_asked_and_are_not_named(folder: Path) -> None:
    for name in (b"m\xfcller.jpg", b"m\xfcller/c.jpg"):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(lesion(5))
    asked = ByBrightness()
    with pytest.raises(ConfigurationError, match=r"names of 2 picture\(s\).*not UTF-8.*rename them") as refused:
        made(folder, asked)
    assert (asked.told, "ller" in str(refused.value)) == ([], False)


def test_no_check_names_a_picture_by_its_file(folder: Path) -> None:
    made(folder)
    (folder / "b.jpg").write_bytes(lesion(9))
    changed = checked(folder, ByBrightness())
    (folder / "b.jpg").unlink()
    for found in (changed, checked(folder, ByBrightness()), checked(folder, ByBrightness(away=True))):
        assert (found.passed, "b.jpg" in f"{found.found} {found.fix}") == (False, False)
    assert "was changed" in changed.found


def test_a_server_that_cannot_be_asked_fails_the_check_and_is_no_error(folder: Path) -> None:
    made(folder)
    found = checked(folder, ByBrightness(away=True))
    assert (found.passed, found.found) == (False, "triton: sklesion/1: UNAVAILABLE")


def _other_class(content: dict[str, Any]) -> None:
    content["pictures"][0]["probabilities"]["other"] = 0.0


def _twice(content: dict[str, Any]) -> None:
    content["pictures"].append(content["pictures"][0])


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(model="sklesion/2"),
        lambda content: content.update(served_sha256="0" * 64),
        lambda content: content.update(answers_version=2),
        lambda content: content.update(pictures=[]),
        lambda content: content.update(unknown=1),
        _other_class,
        _twice,
    ],
    ids=["model", "weights", "version", "empty", "unknown", "classes", "twice"],
)
def test_answers_that_do_not_belong_to_the_card_are_named_with_what_to_do(change: Callable[[Any], None], folder: Path) -> None:
    made(folder)
    content = yaml.safe_load((folder / FILE).read_text())
    change(content)
    (folder / FILE).write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match="tocsin model answers"):
        read_answers(folder, CARD)


def test_a_folder_without_answers_or_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No such file.*tocsin model answers"):
        read_answers(tmp_path, CARD)
    with pytest.raises(ConfigurationError, match="holds no"):
        made(tmp_path)
