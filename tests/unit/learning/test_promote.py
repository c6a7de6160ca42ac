"""A site file is used only where later labels of other patients meet every bound that was registered before there were any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from tocsin.errors import ConfigurationError
from tocsin.learning.bounds import Rule
from tocsin.learning.calibrate import Wish, calibrated
from tocsin.learning.labelled import read_labelled
from tocsin.learning.promote import NO_REPORT, register
from tocsin.learning.scores import write_scores
from tocsin.learning.types import Scored
from tocsin.site.file import read_site_file
from tocsin.site.record import sha256
from tocsin.site.written import to_yaml

from tests.support.labelled import CARD, header, protocol
from tests.support.promotion import DECIDED, FITTED, LATER, REGISTERED, Desk


def test_a_site_file_that_meets_every_bound_is_in_use_with_the_evaluation_that_carried_it(desk: Desk) -> None:
    outcome = desk.promoted()
    assert (outcome.promoted, outcome.obstacles) == (True, ())
    active = desk.folder.active()
    assert active is not None
    assert active == read_site_file(desk.folder.of("north", 1))
    assert active.evaluation is not None
    assert active.evaluation.protocol_sha256 == desk.attempt.protocol.sha256
    assert active.evaluation.labels.scores_sha256 == read_labelled(desk.attempt.later).scores_sha256
    assert active.calibration == read_site_file(desk.attempt.candidate).calibration
    report = desk.folder.report("north", 1).read_bytes()
    assert active.evaluation.report_sha256 == sha256(report)
    assert [each["met"] for each in orjson.loads(report)["findings"]] == [True] * 9
    assert desk.folder.problems() == []


def test_the_go_live_report_on_the_same_labels_is_kept_and_named_by_its_hash(desk: Desk) -> None:
    outcome = desk.promoted()
    kept = desk.folder.go_live("north", 1)
    report, decision = orjson.loads(kept.read_bytes()), orjson.loads(desk.folder.report("north", 1).read_bytes())
    assert outcome.decision.go_live_sha256 == decision["go_live_sha256"] == sha256(kept.read_bytes())
    assert report["tocsin_evaluation"] == 1
    about, labels = report["about"], read_labelled(desk.attempt.later)
    assert (about["scores_sha256"], about["point_source"], about["calibrated"]) == (labels.scores_sha256, "site-file", True)
    assert (report["reference"]["malignant"], report["flow"]["labelled"]) == (labels.malignant, len(labels.cases))
    [sensitivity] = [each for each in outcome.findings if each.bound == "sensitivity, all pictures"]
    assert report["at_the_point"]["sensitivity_at_least"] == pytest.approx(sensitivity.figure, abs=1e-3)
    assert report["calibration"]["ici"] == pytest.approx(
        next(each.figure for each in outcome.findings if each.bound == "integrated calibration index"), abs=1e-9
    )
    kept.chmod(0o644)
    kept.write_bytes(kept.read_bytes() + b" ")
    assert any(kept.name in each for each in desk.folder.problems())


def test_a_go_live_report_that_cannot_be_made_leaves_the_attempt_in_the_record(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("tocsin.learning.promote.go_live", fails)
    with pytest.raises(ZeroDivisionError):
        desk.promoted()
    record = desk.folder.record()
    assert (record[-1].what, record[-1].reason, record.attempts(desk.attempt.protocol.sha256)) == ("refused", NO_REPORT, 1)
    assert (desk.folder.active(), desk.folder.problems()) == (None, [])


@pytest.mark.parametrize("left", ["north-1.go-live.json", "north-1.evaluation.json"])
def test_what_a_promotion_left_that_was_killed_keeps_no_later_one_from_its_end(left: str, desk: Desk) -> None:
    (desk.folder.path / left).write_bytes(b"{}")
    assert desk.promoted().decision.version == 2
    assert desk.folder.problems() == []


def test_every_bound_is_told_with_its_figure_overall_and_in_each_group(desk: Desk) -> None:
    findings = {each.bound: each for each in desk.promoted().findings}
    assert list(findings) == [
        "sensitivity, all pictures",
        "confirmed cancers, sex=female",
        "sensitivity, sex=female",
        "confirmed cancers, sex=male",
        "sensitivity, sex=male",
        "net benefit against what is in use",
        "integrated calibration index",
        "calibration slope",
        "observed over expected",
    ]
    labels = read_labelled(desk.attempt.later).cases
    women = labels.where(labels.groups["sex"] == "female")
    assert findings["confirmed cancers, sex=female"].figure == women.malignant.sum()
    flagged = women.scores[women.malignant] >= 0.0021
    assert f"{flagged.sum()} of {len(flagged)} independent confirmed cancers flagged" in findings["sensitivity, sex=female"].told
    assert findings["calibration slope"].figure == pytest.approx(1, abs=0.25)
    assert findings["observed over expected"].figure == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("changes", "bound"),
    [
        ({"sensitivity_at_least": 0.999}, "sensitivity, all pictures"),
        ({"groups": [{"column": "sex", "value": "female", "malignant_min": 9, "sensitivity_at_least": 0.999}]}, "sensitivity, sex=female"),
        (
            {"groups": [{"column": "sex", "value": "male", "malignant_min": 999, "sensitivity_at_least": 0.5}]},
            "confirmed cancers, sex=male",
        ),
        ({"groups": [{"column": "device", "value": "x", "malignant_min": 1, "sensitivity_at_least": 0.5}]}, "sensitivity, device=x"),
        ({"net_benefit": {"at_probability": 0.4, "loss_max": 0.0}}, "net benefit against what is in use"),
        ({"calibration": protocol().calibration.model_dump() | {"ici_max": 0.0001}}, "integrated calibration index"),
        ({"calibration": protocol().calibration.model_dump() | {"slope_min": 1.5}}, "calibration slope"),
        (
            {"calibration": protocol().calibration.model_dump() | {"observed_over_expected_min": 1.3}},
            "observed over expected",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_bound_that_is_not_met_refuses_it_and_is_named(changes: dict[str, Any], bound: str, desk: Desk) -> None:
    under = desk.protocol(**changes)
    register(desk.folder, under, "anna", REGISTERED)
    outcome = desk.promoted(protocol=under)
    assert not outcome.promoted
    assert bound in [each.bound for each in outcome.findings if not each.met]
    assert (outcome.decision.what, outcome.decision.reason, outcome.decision.version) == ("refused", "not every bound was met", None)
    assert (desk.folder.active(), desk.folder.versions("north")) == (None, {})


def never(desk: Desk) -> dict[str, Any]:
    return {"protocol": desk.protocol(n_min=201)}


def too_late(desk: Desk) -> dict[str, Any]:
    under = desk.protocol(n_min=202)
    register(desk.folder, under, "anna", datetime(2026, 6, 1, 8, tzinfo=UTC))
    return {"protocol": under}


def of_the_record(desk: Desk) -> dict[str, Any]:
    path = desk.folder.path.parent / "record.jsonl"
    write_scores(path, header(source="fhir", modality=""), LATER.rows())
    return {"later": path}


OBSTACLES: list[tuple[Callable[[Desk], dict[str, Any]], str]] = [
    (never, "this protocol was not registered"),
    (too_late, "the protocol was registered on 2026-06-01: only later labels count"),
    (lambda desk: {"later": desk.later(replace(LATER, first=date(2026, 3, 20)))}, "the site file was fitted to labels until 2026-03-31"),
    (lambda desk: {"later": desk.later(LATER, replace(next(FITTED.rows()), labelled_on=date(2026, 6, 2)))}, "1 patient(s) are among"),
    (
        lambda desk: {"later": desk.later(LATER, Scored("x.jpg", 0.5, malignant=True, label_kind="pathology", patient="q", lesion="l1-0"))},
        "1 lesion(s) are among the fitting labels too",
    ),
    (lambda desk: {"later": desk.later(replace(LATER, patients=""))}, "600 pictures of the evaluation labels name no patient"),
    (
        lambda desk: {"later": desk.later(LATER, Scored("x.jpg", 0.5, malignant=True, label_kind="follow-up", patient="q"))},
        "1 labels state no day",
    ),
    (
        lambda desk: {"later": desk.later(replace(LATER, first=date(2026, 9, 1)))},
        "the latest label is of 2026-11-29, and today is 2026-10-01",
    ),
    (lambda desk: {"later": desk.later(replace(LATER, n=150))}, "150 labelled pictures are too few: the protocol wants 200, 50 more"),
    (lambda desk: {"fitted": desk.later(replace(FITTED, seed=9))}, "--fitted is not the file of scores"),
    (of_the_record, "the evaluation labels come by fhir and the fitting labels by folder, where a patient may have another name"),
]


def test_labels_that_state_no_day_among_those_fitted_to_count_as_of_the_day_on_which_the_site_file_was_made(desk: Desk) -> None:
    """Of 600 labels one states a day of 2020; the others may be of any day until then."""
    path = desk.folder.path.parent / "undated.jsonl"
    rows = [replace(each, labelled_on=None if place else date(2020, 1, 1)) for place, each in enumerate(FITTED.rows())]
    write_scores(path, header(), rows)
    made = calibrated(read_labelled(path), CARD, Wish("north", 1, 0.95, 0.95, datetime(2026, 6, 3, tzinfo=UTC)))
    (candidate := desk.folder.path.parent / "undated.yaml").write_bytes(to_yaml(made.site))
    outcome = desk.promoted(fitted=path, candidate=candidate)
    assert outcome.obstacles == (
        "the earliest label is of 2026-06-01, and the site file was fitted to labels until 2026-06-03: only later ones count",
    )


def test_a_label_of_the_day_on_which_the_protocol_was_registered_elsewhere_is_no_later_one(desk: Desk) -> None:
    """In the evening of May 31st in New York, when it is June 1st in UTC, of which a laboratory's label is."""
    under = desk.protocol(n_min=203)
    register(desk.folder, under, "anna", datetime(2026, 5, 31, 21, tzinfo=timezone(timedelta(hours=-4))))
    assert desk.promoted(protocol=under).obstacles == (
        "the earliest label is of 2026-06-01, and the protocol was registered on 2026-06-01: only later labels count",
    )


@pytest.mark.parametrize(("change", "said"), OBSTACLES, ids=[said for _, said in OBSTACLES])
def test_labels_that_may_not_speak_are_not_looked_at(change: Callable[[Desk], dict[str, Any]], said: str, desk: Desk) -> None:
    outcome = desk.promoted(**change(desk))
    assert [each for each in outcome.obstacles if said in each], outcome.obstacles
    assert (outcome.promoted, outcome.findings, outcome.decision.findings) == (False, (), ())
    assert said in (outcome.decision.reason or "")
    assert desk.folder.active() is None


def test_labels_that_were_not_looked_at_are_no_attempt_and_a_refusal_is(desk: Desk) -> None:
    assert not desk.promoted(later=desk.later(replace(LATER, n=100))).promoted
    hard = desk.protocol(sensitivity_at_least=0.999)
    register(desk.folder, hard, "anna", REGISTERED)
    assert desk.promoted(protocol=hard).findings
    assert desk.promoted(protocol=hard).obstacles == ("1 site file(s) were held against labels under this protocol, and attempts_max is 1",)
    assert desk.promoted().promoted


def test_repeats_of_one_patient_are_one_confirmed_cancer(desk: Desk) -> None:
    """Of 5 women in 6 the malignant pictures are those of one."""
    many = [
        replace(each, patient="q", groups={"sex": "female", "clinic": "Köln"}) if place % 2 and place % 12 != 1 else each
        for place, each in enumerate(LATER.rows())
    ]
    write_scores(path := desk.folder.path.parent / "repeats.jsonl", header(), many)
    cologne = {"column": "clinic", "value": "Köln", "malignant_min": 2, "sensitivity_at_least": 0.5}
    under = desk.protocol(malignant_min=1, groups=[cologne])
    register(desk.folder, under, "anna", REGISTERED)
    found = {each.bound: each for each in desk.promoted(protocol=under, later=path).findings}["confirmed cancers, clinic=Köln"]
    assert (found.met, found.figure) == (False, 1)
    assert "1 independent ones; " in found.told
    whole = desk.protocol(malignant_min=190)
    register(desk.folder, whole, "anna", REGISTERED)
    assert sum(each.malignant or False for each in many) >= 190
    assert "confirmed cancers are too few: the protocol wants 190" in desk.promoted(protocol=whole, later=path).obstacles[0]


def test_a_verdict_is_no_label_of_an_evaluation(desk: Desk) -> None:
    verdict = Scored("v.jpg", 0.0001, malignant=True, label_kind="verdict", labelled_on=date(2026, 6, 2), patient="q")
    outcome = desk.promoted(later=desk.later(LATER, verdict))
    assert outcome.promoted
    assert orjson.loads(desk.folder.report("north", 1).read_bytes())["labels_of_other_kinds"] == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"site": "south"}, "must be of one site, not of north and south"), ({"model": "other/1"}, "the protocol is one for other/1")],
)
def test_what_does_not_belong_together_decides_nothing(changes: dict[str, Any], said: str, desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match=said):
        desk.promoted(protocol=desk.protocol(**changes))
    assert len(desk.folder.record()) == 1


def test_a_protocol_of_another_site_is_not_registered_here(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="this is the folder of north"):
        register(desk.folder, desk.protocol(site="south"), "anna", REGISTERED)


def test_registering_again_keeps_the_first_day(desk: Desk) -> None:
    again = register(desk.folder, desk.attempt.protocol, "ben", DECIDED)
    assert (again.at, again.by, len(desk.folder.record())) == (REGISTERED, "anna", 1)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", range(1, 6))
def test_a_promotion_that_was_killed_before_any_of_its_writes_can_be_made_again(
    place: int, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes the go-live report, the evaluation, the version, the record, and what is in use."""
    renamed, left = Path.replace, iter(range(1, 99))

    def dying(part: Path, path: Path) -> Path:
        if next(left) == place:
            raise Killed
        return renamed(part, path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dying)
        with pytest.raises(Killed):
            desk.promoted()
    again = desk.promoted(at=DECIDED + timedelta(minutes=5))
    assert again.promoted or place == 5, again.obstacles  # by then the record had it: the next command puts it into use
    active = desk.folder.active()
    assert active is not None
    assert active.evaluation is not None
    report = desk.folder.report("north", active.version).read_bytes()
    assert (desk.folder.problems(), active.evaluation.report_sha256) == ([], sha256(report))


def test_no_patient_is_named_in_what_is_kept(desk: Desk) -> None:
    assert desk.promoted().promoted
    assert not desk.promoted(later=desk.later(LATER, next(FITTED.rows()))).promoted
    kept = b"".join(each.read_bytes() for each in desk.folder.path.iterdir())
    assert [row for row in FITTED.rows() for name in (row.patient, row.lesion, row.picture) if str(name).encode() in kept] == []


def test_later_pictures_that_were_judged_by_another_input_gate_decide_nothing(desk: Desk, tmp_path: Path) -> None:
    later = tmp_path / "later.jsonl"
    write_scores(later, header(input_gate_sha256="e" * 64), LATER.rows())
    with pytest.raises(ConfigurationError, match="scored with the input gate eeeeeeeeeeee"):
        desk.promoted(later=later)
    assert desk.folder.active() is None


@pytest.mark.parametrize("by_card", [True, False], ids=["flagged by the card", "flagged by the site file"])
def test_labels_of_flagged_pictures_rather_than_of_others_promote_nothing(desk: Desk, by_card: bool) -> None:
    """As many of those without a label as of the others are flagged by the one, and by the other fewer are."""
    scores, candidate = read_labelled(desk.attempt.later).cases.scores, read_site_file(desk.attempt.candidate)
    of_card, of_site = (Rule.of(CARD, each).threshold for each in (None, candidate))
    assert of_site < of_card
    flagged = 0.0 if by_card else float((scores >= of_card).mean())
    without = [Scored(f"u{n}.jpg", 0.9 if n < 600 * flagged else 0.0001) for n in range(600)]
    refused = desk.promoted(later=desk.later(LATER, *without))
    assert not refused.promoted
    assert any("missed cancers stayed unseen: have the labels of an audit sample sought" in each for each in refused.obstacles)
