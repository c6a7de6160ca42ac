"""Folders become features: of what the journey would show the model, with what belongs together kept together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tocsin.errors import ConfigurationError, ContractError
from tocsin.image.types import PatientFacts
from tocsin.inference.types import Findings, Tensor
from tocsin.learning.gate.pictures import Looked, Looking, looked_at
from tocsin.learning.gate.train import RIGHT
from tocsin.terminal import Silent

from tests.support.gates import card_with_features
from tests.support.pictures import encoded, textured

CARD = card_with_features()


@dataclass
class Brightness:
    """A classifier whose features are how bright the picture is."""

    answers: bool = True

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """See Classifier."""
        assert facts == PatientFacts()
        return Findings(CARD.model, {}, np.full(4, image.mean(), np.float32) if self.answers else None)


def folder(at: Path, name: str, *seeds: int, labels: str = "") -> Path:
    """A folder of drawn pictures, each of its seed."""
    made = at / name
    made.mkdir()
    for seed in seeds:
        (made / f"{seed}.jpg").write_bytes(encoded(textured(64, 64, seed=seed)))
    if labels:
        (made / "labels.csv").write_text(labels)
    return made


def look(right: Path, *wrong: Path, answers: bool = True) -> Looked:
    return looked_at(right, wrong, Looking(Brightness(answers), CARD, 1_000_000), Silent())


def test_each_picture_is_of_its_folders_kind_and_by_itself_where_nothing_is_said(tmp_path: Path) -> None:
    looked = look(folder(tmp_path, "right", 1, 2), folder(tmp_path, "close-ups", 3), folder(tmp_path, "bodies", 4))
    assert looked.seen.kinds == (RIGHT, RIGHT, "close-ups", "bodies")
    assert len(set(looked.seen.lesions)) == 4
    assert looked.seen.features.shape == (4, 4)
    assert looked.left_out == {}


def test_labels_say_what_is_of_one_lesion_across_folders_and_the_skin_tone(tmp_path: Path) -> None:
    right = folder(tmp_path, "right", 1, 2, labels="file,lesion_id,skin_tone\n1.jpg,L1,2\n2.jpg,L2,5\n")
    wrong = folder(tmp_path, "wrong", 3, 4, labels="file,lesion_id\n3.jpg,L1\n4.jpg,\n")
    seen = look(right, wrong).seen
    assert seen.lesions[0] == seen.lesions[2]
    assert len(set(seen.lesions)) == 3
    assert seen.tones == ("2", "5", "", "")


def test_a_patient_counts_before_a_lesion(tmp_path: Path) -> None:
    right = folder(tmp_path, "right", 1, 2, labels="file,lesion_id,patient_id\n1.jpg,L1,P1\n2.jpg,L2,P1\n")
    assert len(set(look(right, folder(tmp_path, "wrong", 3)).seen.lesions)) == 2


@pytest.mark.parametrize("labels", ["file;lesion_id\n1.jpg;L1\n./2.jpg;L1\n", "file\tlesion_id\n.\\1.jpg\tL1\n2.jpg\tL1\n"])
def test_labels_are_read_as_those_of_an_evaluation(tmp_path: Path, labels: str) -> None:
    seen = look(folder(tmp_path, "right", 1, 2, labels=labels), folder(tmp_path, "wrong", 3)).seen
    assert len(set(seen.lesions)) == 2


def test_a_word_for_nothing_is_no_lesion_and_no_skin_tone(tmp_path: Path) -> None:
    labels = "file,patient_id,lesion_id,skin_tone\n1.jpg,NaN,unknown,n/a\n2.jpg,NaN,unknown,2\n3.jpg,NaN,L1,2\n4.jpg,NaN,L1,2\n"
    seen = look(folder(tmp_path, "right", 1, 2, 3, 4, labels=labels), folder(tmp_path, "wrong", 5)).seen
    assert len(set(seen.lesions)) == 4
    assert seen.lesions[2] == seen.lesions[3]
    assert seen.tones == ("", "2", "2", "2", "")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("bild,lesion_id\n1.jpg,L1\n", "no column file"),
        ("file,lesion_id\n1.jpg,L1,more\n", "row 2 has more values"),
        ("file,lesion_id\n1.jpg,L1\n./1.jpg,L2\n", "row 3 names a file of which a row before says other things"),
        ('file,lesion_id\n1.jpg,"L1\n2.jpg,L1\n', "quote"),
    ],
)
def test_labels_that_might_part_what_belongs_together_are_refused(tmp_path: Path, labels: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        look(folder(tmp_path, "right", 1, 2, labels=labels), folder(tmp_path, "wrong", 3))


def test_equal_files_are_one_lesion_and_a_file_among_both_kinds_is_refused(tmp_path: Path) -> None:
    right, wrong = folder(tmp_path, "right", 1, 2), folder(tmp_path, "wrong", 3)
    (right / "again.jpg").write_bytes((right / "1.jpg").read_bytes())
    assert len(set(look(right, wrong).seen.lesions)) == 3
    (right / "labels.csv").write_text("file,patient_id\n1.jpg,P1\n2.jpg,P2\n")
    assert len(set(look(right, wrong).seen.lesions)) == 3, "the copy that no list names stays with what it is a copy of"
    (wrong / "too.jpg").write_bytes((right / "1.jpg").read_bytes())
    with pytest.raises(ConfigurationError, match="both among"):
        look(right, wrong)


def test_what_the_journey_would_not_show_the_model_is_left_out_and_counted(tmp_path: Path) -> None:
    right, wrong = folder(tmp_path, "right", 1), folder(tmp_path, "wrong", 2)
    (right / "no.jpg").write_bytes(b"no picture")
    (right / "flat.png").write_bytes(encoded(Image.new("RGB", (64, 64), (120, 120, 120)), "PNG"))
    looked = look(right, wrong)
    assert looked.left_out == {"not-an-image": 1, "empty": 1}
    assert len(looked.seen.kinds) == 2


def test_a_jpeg_that_may_be_reduced_is_not_left_out_as_too_small(tmp_path: Path) -> None:
    quality = CARD.accepts.quality.model_copy(update={"side_px_min": 40})
    reducing = CARD.model_copy(
        update={
            "accepts": CARD.accepts.model_copy(update={"quality": quality}),
            "image": CARD.image.model_copy(update={"reduced_decoding": True}),
        }
    )
    folders = folder(tmp_path, "right", 1), [folder(tmp_path, "wrong", 2)]
    assert looked_at(*folders, Looking(Brightness(), reducing, 1_000_000), Silent()).left_out == {}


def test_two_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    looked = look(folder(tmp_path, "right", 1), folder(tmp_path, "x", 2), folder(tmp_path / "a", "x", 3))
    assert looked.seen.kinds == (RIGHT, "x-1", "x-2")


def test_a_folder_without_pictures_and_labels_that_are_no_text_are_refused(tmp_path: Path) -> None:
    empty, wrong = folder(tmp_path, "empty"), folder(tmp_path, "wrong", 1)
    with pytest.raises(ConfigurationError, match="no JPEG or PNG"):
        look(empty, wrong)
    (wrong / "labels.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        look(folder(tmp_path, "right", 2), wrong)


def test_a_model_that_answers_no_features_ends_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no features"):
        look(folder(tmp_path, "right", 1), folder(tmp_path, "wrong", 2), answers=False)
