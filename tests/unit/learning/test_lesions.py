"""A lesion that a list calls malignant and benign is said, and its pictures count all the same."""

from __future__ import annotations

from pathlib import Path

from tocsin.learning.labels_csv import read_labels
from tocsin.learning.labels_words import LabelsMapping

from tests.unit.learning.test_labels_bus import CARD

ROWS = """file,malignant,patient_id,lesion_id
a.jpg,1,x,1
b.jpg,0,x,1
c.jpg,0,y,1
d.jpg,1,x,2
e.jpg,1,x,2
f.jpg,,x,2
"""


def test_a_lesion_that_is_called_both_is_said_and_each_picture_counts_as_it_is_called(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / f"{name}.jpg").write_bytes(b"no matter")
    (tmp_path / "labels.csv").write_text(ROWS)
    labels = read_labels(tmp_path / "labels.csv", tmp_path, CARD.facts, LabelsMapping())
    assert [row.said.malignant for row in labels.rows] == [True, False, False, True, True, None]
    assert labels.remarks == ["lesion_id: of 1 lesions some pictures are called malignant and some benign, each counts so: rows 2, 3"]
