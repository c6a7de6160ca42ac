"""From lines of a file of scores to what a report says of them: what was looked at, what is in no figure, and from when labels are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import pytest
from tocsin.learning.about import flow
from tocsin.learning.evaluation import evaluated
from tocsin.learning.parts import About, Evaluation
from tocsin.learning.report import sentences
from tocsin.learning.report.compose import composed
from tocsin.learning.report.open_points import open_points
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import Table
from tocsin.learning.scores import tally
from tocsin.learning.types import LabelKind, Scored

from tests.support.evaluations import ABOUT, ENGLISH, GERMAN, POINT, at, plain, said_in

PATHOLOGY_UNTIL, VERDICTS_OF = date(2026, 1, 20), date(2026, 3, 30)


def pictures(n: int, kind: LabelKind = "pathology", *, on: date | None = PATHOLOGY_UNTIL, **groups: str) -> list[Scored]:
    """Of a patient each, every fourth malignant, the last labelled on that day."""
    return [
        Scored(
            f"{kind}{i}.jpg",
            0.05 + 0.9 * i / n,
            malignant=i % 4 == 0,
            label_kind=kind,
            patient=f"{kind}{i}",
            labelled_on=on and on - timedelta(days=(n - 1 - i) % 20),
            groups=groups,
        )
        for i in range(n)
    ]


def found_in(rows: Iterable[Scored], about: About = ABOUT) -> Evaluation:
    counted = tally(rows)
    return evaluated(counted.cases, flow(counted), about, POINT, agreement=counted.agreement)


def flow_of(found: Evaluation, speech: Speech = ENGLISH) -> dict[str, str]:
    blocks = (block for section in composed(found, speech).sections for block in section.blocks if isinstance(block, Table))
    [table] = [each for each in blocks if each.caption == speech.say("Flow of pictures")]
    return {row[0]: row[1] for row in table.rows}


@pytest.mark.parametrize("speech", [ENGLISH, GERMAN], ids=["en", "de"])
def test_verdicts_which_come_at_once_make_no_label_mature(speech: Speech) -> None:
    found = found_in([*pictures(40), *pictures(10, "verdict", on=VERDICTS_OF)])
    until, verdicts = speech.day(PATHOLOGY_UNTIL), speech.day(VERDICTS_OF)
    assert (found.reference.labelled_from, found.reference.labelled_to) == (date(2026, 1, 1), PATHOLOGY_UNTIL)
    assert sentences.maturity(found, speech).endswith(until)
    assert verdicts not in sentences.maturity(found, speech)
    said = said_in(composed(found, speech))
    assert speech.say("Clinicians' verdicts, which are none of these") in said
    assert not [each for each in said if each.startswith(speech.say("Of these: {kind}", kind=""))]


def test_where_verdicts_alone_state_a_day_it_is_open_when_labels_were_established() -> None:
    found = found_in([*pictures(40, on=None), *pictures(10, "verdict", on=VERDICTS_OF)])
    assert sentences.maturity(found, ENGLISH) == "not known"
    assert any(each.startswith("When the labels were established was not said") for each in open_points(found, ENGLISH))


def test_rows_whose_picture_was_never_looked_at_are_no_pictures_that_were_tried() -> None:
    never = [Scored("row 7", None, refusal="file-not-named"), Scored("row 9", None, refusal="row-malformed")]
    never += [Scored("3.jpg", None, refusal="duplicate-row")] * 2
    found = found_in([*pictures(40), Scored("b.jpg", None, refusal="image-truncated"), *never])
    assert "was tried on 41 pictures" in sentences.looked_at(found, ENGLISH)
    assert list(flow_of(found).items()) == [
        ("Rows and labels of which no picture was looked at", "4"),
        ("— File named by several rows", "2"),
        ("— Row of the list names no file", "1"),
        ("— Row of the list not readable", "1"),
        ("Read", "41"),
        ("Not assessable", "1"),
        ("— Picture damaged or cut off", "1"),
        ("Assessable, without a label (never counted as benign)", "0"),
        ("Assessable, with a label that speaks of truth: what the figures are of", "40"),
    ]
    assert flow_of(found, GERMAN)["Zeilen und Diagnosen, zu denen kein Bild angesehen wurde"] == "4"
    assert next(iter(flow_of(found_in(pictures(4))))) == "Read"


def test_labels_that_the_audit_sample_stands_for_are_a_line_of_the_flow() -> None:
    drawn = [Scored(f"d{i}.jpg", 0.001, malignant=False, weight=20.0) for i in range(10)]
    unsought = [Scored(f"u{i}.jpg", 0.001, malignant=True, sought=False) for i in range(7)]
    found = found_in([*pictures(30), *drawn, *unsought])
    lines = flow_of(found)
    assert (
        lines["Assessable, verified with a probability that nobody knows: in no figure, since the audit sample stands for them too"] == "7"
    )
    assert sum(int(lines[each]) for each in lines if each.startswith("Assessable")) == int(lines["Read"]) == 47
    counted = flow_of(found_in([*pictures(30), *unsought]))
    assert [counted[each] for each in counted if each.startswith("Assessable")] == ["0", "37"]  # without a sample, figures are of all


def test_groups_that_are_told_apart_are_not_said_to_be_none() -> None:
    bus = {"source": "bus"}
    with_groups, without = (list(open_points(at(found_in(rows), **bus), ENGLISH)) for rows in (pictures(40, site="trunk"), pictures(40)))
    assert "Age and sex are not known: Tocsin's flags hold neither, so that no group can be told apart by them." in with_groups
    assert not [each for each in with_groups if "body site" in each]
    assert [each for each in without if each.startswith("Age, sex and body site are not known")]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (2499 / 2500, "99.96 %"),
        (0.99995, "99.995 %"),
        (1 / 2500, "0.04 %"),
        (0.9994, "99.9 %"),
        (0.0006, "0.1 %"),
        (1.0, "100.0 %"),
        (1 - 1e-15, "100.0 %"),
        (0.0, "0.0 %"),
        (0.5, "50.0 %"),
        (float("nan"), "not known"),
    ],
)
def test_no_share_is_said_to_be_all_or_none_that_is_not(share: float, said: str) -> None:
    assert plain(ENGLISH.percent(share)) == said
