"""Whatever is wrong with an event or its picture, it ends in a dead letter that says so, and the next event goes on."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from PIL import Image

from tests.builders import event_json
from tests.support.house import CANARY, JPEG, House
from tests.support.waiting import eventually
from tests.support.web import Reply, Web, web


@dataclass(frozen=True)
class Bad:
    """One way to be wrong."""

    reason: str
    publish: Callable[[House, str, Web], None]


def sha1(content: bytes) -> str:
    return base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def raw(value: bytes) -> Callable[[House, str, Web], None]:
    return lambda hospital, _media_id, _site: hospital.bus.publish(value, b"Patient/x")


def attached(content: bytes | None, **attachment: Any) -> Callable[[House, str, Web], None]:
    """A Media whose attachment holds `content` and says `attachment` of it."""

    def publish(hospital: House, media_id: str, site: Web) -> None:
        subject = hospital.record.patient(f"p-{media_id}")
        whole: dict[str, Any] = {"contentType": "image/jpeg"} | attachment
        if content is not None:
            whole["data"] = base64.b64encode(content).decode()
        if "url" in whole:
            whole["url"] = whole["url"].format(allowed=site.origin)
        hospital.bus.announce(hospital.record.media(media_id, subject, content=whole), subject)

    return publish


def without_subject(hospital: House, media_id: str, _site: Web) -> None:
    hospital.bus.announce(hospital.record.media(media_id, None), hospital.record.patient(f"p-{media_id}"))


def swapped(hospital: House, media_id: str, _site: Web) -> None:
    owner, other = hospital.record.patient(f"p-{media_id}"), hospital.record.patient(f"q-{media_id}")
    hospital.bus.announce(hospital.record.media(media_id, owner), other)


def inactive(hospital: House, media_id: str, _site: Web) -> None:
    subject = hospital.record.patient(f"p-{media_id}", active=False)
    hospital.bus.announce(hospital.record.media(media_id, subject), subject)


def merged(hospital: House, media_id: str, _site: Web) -> None:
    heir = hospital.record.patient(f"q-{media_id}")
    subject = hospital.record.patient(f"p-{media_id}", link=[{"other": {"reference": heir}, "type": "replaced-by"}])
    hospital.bus.announce(hospital.record.media(media_id, subject), subject)


def withdrawn(hospital: House, media_id: str, _site: Web) -> None:
    subject = hospital.record.patient(f"p-{media_id}")
    hospital.bus.announce(hospital.record.media(media_id, subject, status="entered-in-error"), subject)


def of_a_group(hospital: House, media_id: str, _site: Web) -> None:
    subject = hospital.record.patient(f"p-{media_id}")
    hospital.record.fhir.put({"resourceType": "Group", "id": media_id, "type": "person", "actual": True})
    hospital.bus.announce(hospital.record.media(media_id, f"Group/{media_id}"), subject)


def of_somebody_contained(hospital: House, media_id: str, _site: Web) -> None:
    subject = hospital.record.patient(f"p-{media_id}")
    hospital.bus.announce(hospital.record.media(media_id, "#p", contained=[{"resourceType": "Patient", "id": "p"}]), subject)


def study_of_another(hospital: House, media_id: str, _site: Web) -> None:
    subject, other = hospital.record.patient(f"p-{media_id}"), hospital.record.patient(f"q-{media_id}")
    study = {"resourceType": "ImagingStudy", "id": media_id, "status": "available", "subject": {"reference": other}}
    hospital.record.fhir.put(study)
    hospital.bus.announce(hospital.record.media(media_id, subject), subject, study=f"ImagingStudy/{media_id}")


def unknown_study(hospital: House, media_id: str, _site: Web) -> None:
    subject = hospital.record.patient(f"p-{media_id}")
    hospital.bus.announce(hospital.record.media(media_id, subject), subject, study="ImagingStudy/nowhere")


def bomb() -> bytes:
    """A PNG of a few kilobytes that unfolds to 100 million pixels."""
    buffer = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(buffer, "PNG")
    return buffer.getvalue()


BAD = {
    "not-json": Bad("not-json", raw(b"{not json")),
    "wrong-schema": Bad("schema-mismatch", raw(orjson.dumps(event_json(subject=None)))),
    "wrong-version": Bad("version-unknown", raw(orjson.dumps(event_json(version=2)))),
    "unknown-media": Bad("media-unknown", lambda hospital, media_id, _site: hospital.bus.announce(f"Media/{media_id}", "Patient/x")),
    "no-subject": Bad("subject-missing", without_subject),
    "a-groups": Bad("subject-not-a-patient", of_a_group),
    "somebody-contained": Bad("subject-unresolved", of_somebody_contained),
    "study-of-another": Bad("subject-mismatch", study_of_another),
    "unknown-study": Bad("study-unknown", unknown_study),
    "swapped-patients": Bad("subject-mismatch", swapped),
    "inactive-patient": Bad("patient-inactive", inactive),
    "merged-patient": Bad("patient-inactive", merged),
    "withdrawn": Bad("media-withdrawn", withdrawn),
    "no-content": Bad("content-missing", attached(None, title="nothing here")),
    "binary-gone": Bad("content-missing", attached(None, url="Binary/nowhere")),
    "version-gone": Bad("content-missing", attached(None, url="Binary/nowhere/_history/7")),
    "wrong-hash": Bad("hash-mismatch", attached(None, url="{allowed}/a.jpg", hash=sha1(b"another"))),
    "hash-in-hexadecimal": Bad(
        "hash-malformed", attached(None, url="{allowed}/a.jpg", hash=hashlib.sha1(JPEG, usedforsecurity=False).hexdigest())
    ),
    "wrong-size": Bad("size-mismatch", attached(None, url="{allowed}/a.jpg", size=7)),
    "not-an-image": Bad("not-an-image", attached(b"plain words")),
    "truncated": Bad("image-truncated", attached(JPEG[: len(JPEG) // 2])),
    "damaged": Bad("image-truncated", attached(JPEG[: len(JPEG) // 2] + bytes(2000) + JPEG[len(JPEG) // 2 + 2000 :])),
    "other-type": Bad("content-type-wrong", attached(JPEG, contentType="image/png")),
    "bomb": Bad("too-many-pixels", attached(bomb(), contentType="image/png")),
    "wrong-type": Bad("content-type-wrong", attached(JPEG, contentType="application/pdf")),
    "url-off-the-list": Bad("url-not-allowed", attached(None, url="http://127.0.0.1:9/a.jpg")),
    "url-redirects": Bad("url-redirected", attached(None, url="{allowed}/moved")),
}


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        running.replies["/moved"] = Reply(302, b"", {"Location": "http://127.0.0.1:9/"})
        running.replies["/a.jpg"] = Reply(200, JPEG, {"Content-Type": "image/jpeg"})
        yield running


def test_every_kind_of_bad_event_ends_in_a_dead_letter_and_every_good_one_in_a_flag(hospital: House, site: Web) -> None:
    good = []
    for name, bad in BAD.items():
        bad.publish(hospital, f"bad-{name}", site)
        subject = hospital.record.patient(f"p-good-{name}")
        good.append(hospital.record.media(f"good-{name}", subject))
        hospital.bus.announce(good[-1], subject)

    with hospital.consuming(TOCSIN_IMAGE__URL_ORIGINS_ALLOWED=orjson.dumps([site.origin]).decode()):
        eventually(lambda: hospital.bus.lag() == 0, within_s=90, what="an ending for every event")

    letters = hospital.bus.letters()
    assert sorted(letter.reason for letter in letters) == sorted(bad.reason for bad in BAD.values())
    assert {flag.media for flag in hospital.bus.flags()} == set(good)
    assert all(len(hospital.record.reports_on(media)) == 1 for media in good)
    assert all(
        not hospital.record.reports_on(f"Media/bad-{name}") for name in BAD if name not in ("not-json", "wrong-schema", "wrong-version")
    )
    assert all(letter.advice and letter.attempts == 1 and letter.kind == "permanent" for letter in letters)

    log = hospital.log()
    assert "Traceback" not in log
    lines = [orjson.loads(line) for line in log.splitlines()]
    assert sorted(line["reason"] for line in lines if line["event"] == "dead-lettered") == sorted(bad.reason for bad in BAD.values())
    assert all(line["advice"] and line["trace_id"] for line in lines if line["event"] == "dead-lettered")


def test_nobodys_name_leaves_the_record(hospital: House) -> None:
    subject = hospital.record.patient("p-canary")
    hospital.bus.announce(hospital.record.media("canary", subject), subject)
    said = {"media": "Media/canary", "subject": "Patient/p-canary", "patient_name": CANARY}
    hospital.bus.publish(event_json(id="passed-over", **said))
    hospital.bus.publish(event_json(id="refused", version=99, **said))
    with hospital.consuming(TOCSIN_LOG__LEVEL="debug"):
        eventually(lambda: hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
    [letter] = hospital.bus.letters()
    assert CANARY not in hospital.log()
    assert all(CANARY.encode() not in value for value in hospital.bus.values(hospital.bus.settings.topic_flags))
    assert CANARY not in letter.model_copy(update={"original": None}).model_dump_json(exclude={"original"})
    assert CANARY.encode() in base64.b64decode(letter.original.value or "")  # the original stays as it was, for its owner alone


def test_a_picture_the_model_was_not_made_for_is_reported_as_not_assessable(hospital: House) -> None:
    dicom = "http://dicom.nema.org/resources/ontology/DCM"
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "photo": ({}, {"modality": {"coding": [{"system": dicom, "code": "XC"}]}}),
        "silent": ({}, {"modality": None}),
        "wordy": ({}, {"modality": {"text": "Ultrasound"}}),
        "dark": ({}, {"picture": _dark()}),
        "child": ({"birthDate": "2005-06-01"}, {"createdDateTime": "2019-05-02"}),
        "minor-or-not": ({"birthDate": "2001-06-01"}, {"createdDateTime": "2019"}),
    }
    for name, (of_the_patient, of_the_media) in kinds.items():
        subject = hospital.record.patient(f"p-na-{name}", **of_the_patient)
        hospital.bus.announce(hospital.record.media(f"na-{name}", subject, **of_the_media), subject)
    with hospital.consuming():
        eventually(lambda: hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
    reasons = {flag.media.removeprefix("Media/na-"): flag.reason for flag in hospital.bus.flags()}
    assert reasons == {
        "photo": "modality-not-accepted",
        "silent": "modality-unknown",
        "wordy": "modality-unknown",
        "dark": "too-dark",
        "child": "outside-intended-ages",
        "minor-or-not": "age-not-certain",
    }
    reports = {name: hospital.record.reports_on(f"Media/na-{name}") for name in kinds}
    assert all(" Not assessable by AI. " in report["conclusion"] for [report] in reports.values())
    assert [reports[name][0]["effectiveDateTime"] for name in ("child", "minor-or-not")] == ["2019-05-02", "2019"]
    assert f"the record says {dicom}|XC, the model reads {dicom}|DMS" in reports["photo"][0]["conclusion"]


Spoil = Callable[[dict[str, Any]], None]


def smaller_input(card: dict[str, Any]) -> None:
    card["image"] |= {"height": 100, "width": 100}


def code_that_does_not_exist(card: dict[str, Any]) -> None:
    system = "http://terminology.hl7.org/CodeSystem/risk-probability"
    card |= {"calibration": "probability", "calibrated_on": "made-up pictures"}  # classes are coded where they carry probabilities
    for each in card["output"]["classes"]:
        each["codings"] = [{"system": system, "code": "bananas", "display": "Bananas"}]


@pytest.mark.parametrize(
    ("spoil", "reason", "advice"),
    [(smaller_input, "tensor-rejected", "tocsin check"), (code_that_does_not_exist, "fhir-rejected", "OperationOutcome")],
    ids=["the-model", "the-fhir-server"],
)
def test_what_a_neighbour_refuses_for_good_is_dead_lettered_with_what_to_do(
    quick_hospital: House, tmp_path: Path, spoil: Spoil, reason: str, advice: str
) -> None:
    hospital = quick_hospital
    card = yaml.safe_load(Path(hospital.variables["TOCSIN_MODEL__CARD"]).read_text())
    spoil(card)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    subject = hospital.record.patient(f"p-{reason}")
    hospital.bus.announce(hospital.record.media(reason, subject), subject)
    with hospital.consuming(TOCSIN_MODEL__CARD=str(tmp_path / "card.yaml")):
        eventually(lambda: bool(hospital.bus.letters()), within_s=60, what="the dead letter")
    [letter] = hospital.bus.letters()
    assert letter.reason == reason
    assert advice in letter.advice


def _dark() -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(JPEG)).point(lambda value: value * 0.05).save(buffer, "JPEG")
    return buffer.getvalue()
