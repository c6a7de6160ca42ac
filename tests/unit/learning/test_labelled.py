"""Of a site's labels only those of accuracy count, each patient's cancer once, and as if each had been sought alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tocsin.errors import ConfigurationError
from tocsin.learning.labelled import cancers, read_labelled
from tocsin.learning.scores import cases_of, read_scores, write_scores
from tocsin.learning.split import split
from tocsin.learning.types import Cases, LabelKind, Scored

from tests.support.labelled import Site, header


def cases(scores: Sequence[float], patients: Sequence[int], weights: Sequence[float] | None = None) -> Cases:
    """Cancers alone."""
    weight = np.ones(len(scores)) if weights is None else np.array(weights, dtype=np.float64)
    return Cases(np.array(scores), np.ones(len(scores), dtype=np.bool_), np.array(patients), weight)


def test_a_verdict_is_no_label_and_a_picture_without_one_is_not_benign(tmp_path: Path) -> None:
    rows = [
        Scored("a.jpg", 0.9, malignant=True, label_kind="pathology", patient="p1"),
        Scored("b.jpg", 0.1, malignant=False, label_kind="verdict", patient="p2"),
        Scored("c.jpg", 0.1, patient="p3"),
        Scored("d.jpg", None, refusal="blurred", malignant=True, patient="p4"),
        Scored("e.jpg", 0.2, malignant=False, label_kind="follow-up", lesion="l5"),
    ]
    write_scores(tmp_path / "s.jsonl", header(), rows)
    found = read_labelled(tmp_path / "s.jsonl", named=True)
    assert found.cases.scores.tolist() == [0.9, 0.2]
    assert (found.malignant, found.other_kinds, found.unlabelled, found.not_assessable, found.undated) == (1, 1, 1, 1, 2)
    assert (found.unnamed, {what: len(names) for what, names in found.names.items()}) == (
        {"patient": 1, "lesion": 1, "picture": 0},
        {"patient": 1, "lesion": 1, "picture": 2},
    )
    assert len(found.counted.agreement) == 1
    narrow = read_labelled(tmp_path / "s.jsonl", ("pathology",))
    assert (len(narrow.cases), narrow.other_kinds, narrow.unlabelled) == (1, 2, 1)
    assert sorted(narrow.unverified.tolist()) == [0.1, 0.1, 0.2]
    assert (sorted(narrow.counted.unlabelled.tolist()), len(narrow.counted.agreement), narrow.counted.pictures) == ([0.1, 0.2], 1, 5)


def test_patients_are_counted_only_where_each_picture_tells_whose_it_is(tmp_path: Path) -> None:
    assert read_labelled(Site(1, n=50).written(tmp_path / "a.jsonl")).labels.patients == 50
    nobodys = Scored("x.jpg", 0.5, malignant=False)
    assert read_labelled(Site(1, n=50).written(tmp_path / "b.jsonl", nobodys)).labels.patients is None


def test_of_a_patient_with_several_cancers_the_lowest_score_counts() -> None:
    assert sorted(cancers(cases([0.9, 0.2, 0.5, 0.7], [1, 1, 2, 3]), 1.0)) == [0.2, 0.5, 0.7]


def test_benign_pictures_are_no_cancers() -> None:
    none = Cases(np.array([0.4]), np.array([False]), np.array([1]), np.ones(1))
    assert len(cancers(none, 1.0)) == 0


def test_cancers_that_were_sought_with_different_probabilities_are_thinned_to_one() -> None:
    """2,000 flagged cancers all found, 1 in 20 of 400 missed ones found by the audit: 0.17 are missed, and not 20 of 2,020."""
    weighted = cases([0.9] * 2000 + [0.1] * 20, range(2020), [1.0] * 2000 + [20.0] * 20)
    found = cancers(weighted, 20.0)
    missed = float((found < 0.5).mean())
    assert int((found < 0.5).sum()) == 20
    assert 0.12 < missed < 0.24
    assert cancers(weighted, 20.0).tolist() == found.tolist()


@pytest.mark.parametrize("kind", ["pathology", "verdict"])
def test_flagged_cancers_alone_count_by_the_audit_that_found_none(kind: LabelKind, tmp_path: Path) -> None:
    """Each missed one would have been found 1 in 20 times, so that 100 flagged ones say as much as 5."""
    rows = [Scored(f"{n}.jpg", 0.9, malignant=True) for n in range(100)]
    rows += [Scored(f"a{n}.jpg", 0.001, malignant=False, label_kind=kind, weight=20) for n in range(40)]
    write_scores(tmp_path / "s.jsonl", header(source="bus"), rows)
    found = read_labelled(tmp_path / "s.jsonl")
    assert found.heaviest == 20
    assert 0 < len(cancers(found.cases, found.heaviest)) < 15
    assert found.verification(0.011) == ("weighted" if kind == "pathology" else "by-score")


@pytest.mark.parametrize(
    ("source", "unlabelled", "unsought", "who"),
    [
        ("folder", 0, 0, "all"),
        ("folder", 40, 0, "by-score"),
        ("bus", 0, 1, "by-score"),
        ("fhir", 0, 0, "by-score"),
    ],
)
def test_who_was_verified_is_told_by_those_who_were_not(source: str, unlabelled: int, unsought: int, who: str, tmp_path: Path) -> None:
    rows = [Scored(f"{n}.jpg", 0.9, malignant=n % 2 == 0) for n in range(40)]
    rows += [Scored(f"v{n}.jpg", 0.001, malignant=False, label_kind="verdict") for n in range(unlabelled // 2)]
    rows += [Scored(f"u{n}.jpg", 0.001) for n in range(unlabelled // 2)]
    rows += [Scored(f"s{n}.jpg", 0.001, malignant=False, sought=False) for n in range(unsought)]
    write_scores(tmp_path / "s.jsonl", header(source=source), rows)
    found = read_labelled(tmp_path / "s.jsonl")
    assert (found.verification(0.011), len(found.unverified), found.unsought) == (who, unlabelled, unsought)


@pytest.mark.parametrize(
    ("unlabelled", "below", "who"), [(40, 0, "by-score"), (40, 1, "weighted"), (1000, 1, "by-score"), (0, 0, "weighted")]
)
def test_a_weight_alone_makes_no_sample_of_pictures_below_the_threshold(unlabelled: int, below: int, who: str, tmp_path: Path) -> None:
    rows = [Scored(f"{n}.jpg", 0.9, malignant=n % 2 == 0, weight=1.5 if n == 1 else 1.0) for n in range(40)]
    rows += [Scored(f"u{n}.jpg", 0.001) for n in range(unlabelled)]
    rows += [Scored(f"b{n}.jpg", 0.001, malignant=False, weight=20) for n in range(below)]
    write_scores(tmp_path / "s.jsonl", header(), rows)
    assert read_labelled(tmp_path / "s.jsonl").verification(0.011) == who


def test_a_split_takes_as_large_a_share_of_the_patients_without_a_label(tmp_path: Path) -> None:
    """Were they all in the rest, the labels of flagged pictures alone would look like those of all."""
    flagged = [Scored(f"{n}.jpg", 0.9, malignant=n % 2 == 0, patient=f"p{n}") for n in range(100)]
    others = [Scored(f"u{n}.jpg", 0.001, patient=f"u{n // 2}") for n in range(300)]
    others += [Scored(f"v{n}.jpg", 0.001, malignant=False, label_kind="verdict", weight=20, patient=f"v{n}") for n in range(50)]
    write_scores(tmp_path / "all.jsonl", header(), flagged + others)
    split(tmp_path / "all.jsonl", 40, 1, tmp_path / "fit.jsonl", tmp_path / "rest.jsonl")
    fit = read_labelled(tmp_path / "fit.jsonl")
    assert (len(fit.cases), fit.verification(0.011), fit.heaviest) == (40, "by-score", 20)
    assert (fit.unlabelled, fit.other_kinds) == (120, 20)
    rest = read_labelled(tmp_path / "rest.jsonl")
    assert (len(rest.cases), rest.unlabelled, rest.other_kinds) == (60, 180, 30)


def test_a_split_keeps_each_patient_whole_and_every_row(tmp_path: Path) -> None:
    source = Site(3, n=300).written(
        tmp_path / "all.jsonl", *(Scored(f"again-{n}.jpg", 0.5, malignant=False, patient=f"p3-{n}") for n in range(9))
    )
    split(source, 200, 1, tmp_path / "fit.jsonl", tmp_path / "rest.jsonl")
    fit, rest = (tuple(read_scores(tmp_path / name)[1]) for name in ("fit.jsonl", "rest.jsonl"))
    assert 200 <= len(fit) <= 201
    assert {row.patient for row in fit} & {row.patient for row in rest} == set()
    assert sorted(row.picture for row in fit + rest) == sorted(row.picture for row in read_scores(source)[1])
    assert read_scores(source)[0] == read_scores(tmp_path / "rest.jsonl")[0]


def test_a_split_is_the_same_for_a_seed_and_another_for_another(tmp_path: Path) -> None:
    source = Site(3, n=100).written(tmp_path / "all.jsonl")
    parts = []
    for number, seed in enumerate((1, 1, 2)):
        split(source, 50, seed, tmp_path / f"fit{number}", tmp_path / f"rest{number}")
        parts.append(cases_of(read_scores(tmp_path / f"fit{number}")[1]).scores.tolist())
    assert parts[0] == parts[1] != parts[2]


def test_a_split_that_leaves_nothing_or_writes_over_something_is_refused(tmp_path: Path) -> None:
    source = Site(3, n=100).written(tmp_path / "all.jsonl")
    with pytest.raises(ConfigurationError, match="100 labelled pictures: --split 100 would leave none"):
        split(source, 100, 1, tmp_path / "fit", tmp_path / "rest")
    (tmp_path / "rest").touch()
    with pytest.raises(ConfigurationError, match=r"rest would be written over"):
        split(source, 50, 1, tmp_path / "fit", tmp_path / "rest")
