"""The file of scores keeps what the model answered, survives a killed process, and never takes one kind of score for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from tocsin.errors import ConfigurationError
from tocsin.learning.scores import Appending, Header, cases_of, read_scores, tally, write_scores
from tocsin.learning.types import Scored

HEADER = Header(
    model="sklesion/1",
    card_sha256="a" * 64,
    served_sha256="b" * 64,
    modality="DMS",
    source="folder",
    labels_sha256="c" * 64,
    malignant_classes=("bcc", "mel"),
    made_at=datetime(2026, 11, 28, tzinfo=UTC),
)
ROWS = (
    Scored("a.jpg", 0.5, malignant=True, label_kind="pathology", labelled_on=date(2026, 3, 1), patient="P1", groups={"sex": "female"}),
    Scored("b.jpg", 0.25, malignant=False, patient="P1", lesion="L1", weight=20.0),
    Scored("c.jpg", None, refusal="blurred", malignant=True),
    Scored("d.jpg", 0.75),
    Scored("e.jpg", 0.125, malignant=False, lesion="L2", groups={"sex": "male", "body site": "arm"}),
    Scored("f.jpg", 0.0625, malignant=False, lesion="L2"),
    Scored("g.jpg", 1.0, malignant=True, label_kind="pathology", labelled_on=date(2026, 1, 2)),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out" / "scores.jsonl"


def read(file: Path) -> Sequence[Scored]:
    return tuple(read_scores(file)[1])


def test_what_is_written_is_read_again(file: Path) -> None:
    write_scores(file, HEADER, ROWS)
    header, rows = read_scores(file)
    assert (header, tuple(rows)) == (HEADER, ROWS)


@pytest.mark.parametrize("lost", [1, 10, 40])
def test_a_torn_last_line_is_passed_over_and_written_again(file: Path, lost: int) -> None:
    write_scores(file, HEADER, ROWS)
    file.write_bytes(file.read_bytes()[:-lost])
    assert read(file) == ROWS[:-1]
    with Appending.opened(file, HEADER) as writer:
        assert writer.done == {row.picture for row in ROWS[:-1]}
        writer.add(ROWS[-1])
    assert read(file) == ROWS


def test_a_file_that_was_killed_within_its_header_begins_anew(file: Path) -> None:
    write_scores(file, HEADER, ())
    file.write_bytes(file.read_bytes()[:-5])
    write_scores(file, HEADER, ROWS)
    assert read(file) == ROWS


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "sklesion/2"}, "another model"),
        ({"card_sha256": "d" * 64}, "another card sha256"),
        ({"input_gate_sha256": "f" * 64}, "another input gate sha256"),
        ({"images_sha256": "e" * 64}, "another images sha256"),
        ({"modality": "XC", "labels_sha256": "e" * 64}, "another modality and labels sha256"),
    ],
)
def test_scores_of_another_kind_are_never_added(file: Path, change: dict[str, str], named: str) -> None:
    write_scores(file, HEADER.model_copy(update={"images_sha256": "a" * 64}), ROWS)
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match=f"{named}: choose another folder"):
        Appending.opened(file, HEADER.model_copy(update={"images_sha256": "a" * 64} | change))
    assert file.read_bytes() == before


def test_the_same_kind_at_another_time_goes_on(file: Path) -> None:
    write_scores(file, HEADER, ROWS[:2])
    later = {"made_at": datetime.now(UTC), "images_sha256": "a" * 64}  # a file from before the folder was noted
    write_scores(file, HEADER.model_copy(update=later), ROWS[2:])
    assert read(file) == ROWS


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        '{"picture": "a.jpg"}',
        '{"picture": "a.jpg", "score": 1.5}',
        '{"picture": "a.jpg", "score": NaN}',
        '{"picture": "a.jpg", "score": null}',
        '{"picture": "a.jpg", "score": 0.5, "refusal": "blurred"}',
        '{"picture": "a.jpg", "score": 0.5, "weight": 0}',
        '{"picture": "a.jpg", "score": 0.5, "weight": 0.05}',
        '{"picture": "a.jpg", "score": 0.5, "weight": 1e200}',
        '{"picture": "a.jpg", "score": 0.5, "weight": Infinity}',
        '{"picture": "a.jpg", "score": 0.5, "label_kind": "guess"}',
    ],
)
def test_a_line_that_is_no_score_is_named_by_its_number(file: Path, line: str) -> None:
    write_scores(file, HEADER, ROWS[:1])
    with file.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ConfigurationError, match="line 3, is no score"):
        read(file)


@pytest.mark.parametrize("content", [b"", b"file,malignant\n", b'{"tocsin_scores": 2}\n', b"x" * 100_000])
def test_what_is_no_file_of_scores_is_said(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "labels.csv"
    other.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_scores(other)


def test_cases_are_the_assessable_pictures_with_a_label(file: Path) -> None:
    cases = cases_of(ROWS)
    assert cases.scores.tolist() == [0.5, 0.25, 0.125, 0.0625, 1.0]
    assert cases.malignant.tolist() == [True, False, False, False, True]
    assert cases.weights.tolist() == [1, 20, 1, 1, 1]
    assert {name: values.tolist() for name, values in cases.groups.items()} == {
        "sex": ["female", "", "male", "", ""],
        "body site": ["", "", "arm", "", ""],
    }


def test_pictures_of_one_patient_are_one_cluster_and_of_one_lesion_where_no_patient_is_named() -> None:
    clusters = cases_of(ROWS).clusters
    assert clusters[0] == clusters[1]
    assert clusters[2] == clusters[3]
    assert len(np.unique(clusters)) == 3


def test_a_patient_and_a_lesion_of_one_name_are_two() -> None:
    rows = [Scored("a", 0.1, malignant=True, patient="1"), Scored("b", 0.1, malignant=True, lesion="1")]
    assert len(np.unique(cases_of(rows).clusters)) == 2


def test_nothing_is_lost_in_the_tally() -> None:
    found = tally(ROWS)
    assert (found.pictures, found.assessable, len(found.cases)) == (7, 6, 5)
    assert found.unlabelled.tolist() == [0.75]
    assert found.refused == {"blurred": 1}
    assert found.kinds == {"pathology": 2, "stated": 3}
    assert found.labelled == (date(2026, 1, 2), date(2026, 3, 1))


def test_a_clinicians_verdict_is_agreement_and_no_truth() -> None:
    verdict = replace(ROWS[0], picture="v.jpg", label_kind="verdict")
    found = tally([*ROWS, verdict])
    assert (len(found.cases), len(found.agreement)) == (5, 1)
    assert found.agreement.clusters[0] == found.cases.clusters[0]
    assert cases_of([verdict]).scores.tolist() == []
    dated = replace(verdict, labelled_on=date(2026, 5, 1))
    assert (tally([*ROWS, dated]).labelled, tally([dated]).labelled) == (tally(ROWS).labelled, None)
    assert tally([dated]).days == {"verdict": (date(2026, 5, 1), date(2026, 5, 1))}


def test_two_processes_never_write_one_file(file: Path) -> None:
    with Appending.opened(file, HEADER), pytest.raises(ConfigurationError, match="another `tocsin evaluate` is writing"):
        Appending.opened(file, HEADER)


def test_a_second_process_leaves_the_file_of_the_first_alone(file: Path) -> None:
    """Also where rows are to be tried again, for which the whole file is written anew."""
    missing = Scored("x.jpg", None, refusal="file-missing")
    write_scores(file, HEADER, [missing])
    with Appending.opened(file, HEADER) as writer:
        with pytest.raises(ConfigurationError, match="another `tocsin evaluate` is writing"):
            Appending.opened(file, HEADER, again={"file-missing"})
        writer.add(Scored("y.jpg", 0.5))
    assert read(file) == (missing, Scored("y.jpg", 0.5))
    with Appending.opened(file, HEADER, again={"file-missing"}) as writer:
        with pytest.raises(ConfigurationError, match="another `tocsin evaluate` is writing"):
            Appending.opened(file, HEADER)
        writer.add(Scored("z.jpg", 0.5))
    assert read(file) == (Scored("y.jpg", 0.5), Scored("z.jpg", 0.5))


def test_pictures_that_may_be_there_now_are_tried_again(file: Path) -> None:
    missing = Scored("x.jpg", None, refusal="file-missing")
    write_scores(file, HEADER, [*ROWS, missing])
    with Appending.opened(file, HEADER, again={"file-missing"}) as writer:
        assert writer.done == {row.picture for row in ROWS}
        writer.add(replace(missing, score=0.5, refusal=None))
    assert read(file) == (*ROWS, Scored("x.jpg", 0.5))


def test_no_rows_are_no_cases() -> None:
    assert len(cases_of(())) == 0
    assert len(cases_of([replace(ROWS[0], malignant=None)])) == 0


def test_a_file_of_before_there_were_gates_was_made_without_one(file: Path) -> None:
    write_scores(file, HEADER, ROWS)
    content = file.read_bytes()
    assert b'"input_gate_sha256":"",' in content
    file.write_bytes(content.replace(b'"input_gate_sha256":"",', b""))
    assert read_scores(file)[0].input_gate_sha256 == ""
    assert Appending.opened(file, HEADER).done


def test_cancers_on_pictures_that_are_not_assessable_are_counted() -> None:
    rest = [Scored("v.jpg", None, refusal="blurred", malignant=True, label_kind="verdict"), Scored("h.jpg", None, refusal="blurred")]
    assert tally([*ROWS, *rest]).refused_malignant == 1
