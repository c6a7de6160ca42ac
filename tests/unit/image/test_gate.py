"""A picture is looked at only where its record, or else its site, says that it is of a kind the model reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tocsin.archive.backfill.backfiller import modalities
from tocsin.archive.search import of_modality
from tocsin.archive.types import STATED_NOWHERE
from tocsin.fhir.canonical import DICOM_MODALITY, SNOMED
from tocsin.fhir.datatypes import Coding, token
from tocsin.image.gate import acceptance, gate
from tocsin.image.kind import kind_of
from tocsin.image.types import Obstacle
from tocsin.settings import ImageSettings

from tests.builders import card, picture
from tests.support.pictures import textured

PIXELS = np.asarray(textured(64, 48))
MEDIA_TYPE = "http://terminology.hl7.org/CodeSystem/media-type"


def coded(system: str | None, code: str, **more: Any) -> dict[str, Any]:
    return {"coding": [({} if system is None else {"system": system}) | {"code": code}]} | more


def obstacle(media: dict[str, Any], **settings: Any) -> Obstacle | None:
    kind = kind_of(media)
    return gate(picture(modality=kind.codings, modality_stated=kind.stated), PIXELS, acceptance(card(), ImageSettings(**settings)))


@pytest.mark.parametrize(
    "media",
    [
        {"modality": coded(DICOM_MODALITY, "DMS")},
        {"type": coded(DICOM_MODALITY, "DMS")},
        {"modality": coded("urn:oid:1.2.840.10008.2.16.4", "DMS")},
        {"modality": coded("URN:OID:1.2.840.10008.2.16.4", "DMS")},
        {"modality": {"coding": [{"system": "urn:local", "code": "derm"}, {"system": DICOM_MODALITY, "code": "DMS"}]}},
        {"modality": coded(DICOM_MODALITY, "DMS", text="Ultrasound of something"), "type": coded(MEDIA_TYPE, "image")},
    ],
    ids=["modality", "type", "by its identifier", "in capitals", "translated", "with words"],
)
def test_a_kind_the_card_names_passes_in_whichever_form_its_code_system_is_written(media: dict[str, Any]) -> None:
    assert obstacle(media) is None


@pytest.mark.parametrize(
    "modality",
    [
        {"text": "Ultrasound"},
        {"text": "Dermoscopy"},
        {"coding": [{"system": DICOM_MODALITY, "display": "Ultrasound"}]},
        {"coding": [{"system": DICOM_MODALITY}]},
        {"coding": [{"display": "Ultrasound"}]},
        {"coding": [{"_code": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"}]}}]},
        {"coding": [{}]},
        {"coding": []},
        {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]},
        {},
        "Ultrasound",
        {"coding": [coded(MEDIA_TYPE, "image")["coding"][0], {"display": "Ultrasound"}]},
        {"coding": "US"},
        {"coding": [{"system": DICOM_MODALITY, "code": 7}]},
        {"coding": [{"system": 5, "code": "DMS"}]},
        {"coding": [{"system": {"value": DICOM_MODALITY}, "code": "DMS"}]},
        {"coding": [{"system": "", "code": "DMS"}]},
        {"coding": [{"system": DICOM_MODALITY, "code": " DMS"}]},
    ],
)
@pytest.mark.parametrize("element", ["modality", "type"])
def test_a_kind_that_is_stated_and_unknown_is_never_vouched_for(element: str, modality: Any) -> None:
    found = obstacle({element: modality}, modality_when_absent="DMS", modalities_also_accepted=("|DMS",))
    assert found is not None
    assert found.reason == "modality-unknown"


@pytest.mark.parametrize(
    "media",
    [
        {},
        {"modality": None},
        {"type": coded(MEDIA_TYPE, "image")},
        {"type": coded(MEDIA_TYPE, "image", text="Foto")},
        {"type": {"text": "Image"}},
    ],
    ids=["nothing", "null", "an image", "an image, in words", "image in words alone"],
)
def test_a_site_may_vouch_for_pictures_whose_record_says_nothing(media: dict[str, Any]) -> None:
    assert obstacle(media, modality_when_absent="DMS") is None
    found = obstacle(media)
    assert found is not None
    assert found.reason == "modality-unknown"


@pytest.mark.parametrize(
    ("modality", "said"),
    [
        (coded(SNOMED, "446082006"), f"{SNOMED}|446082006"),
        (coded("urn:oid:2.16.840.1.113883.6.96", "446082006"), f"{SNOMED}|446082006"),
        (coded(None, "DMS"), "|DMS"),
        (coded("http://hl7.org/fhir/digital-media-type", "photo"), "http://hl7.org/fhir/digital-media-type|photo"),
        (coded(DICOM_MODALITY, "US"), f"{DICOM_MODALITY}|US"),
        (coded("urn:x", "Jane Canary"), "what is no code"),
    ],
)
def test_another_kind_is_refused_with_the_codes_found_and_wanted_until_the_site_accepts_it(modality: Any, said: str) -> None:
    found = obstacle({"modality": modality}, modality_when_absent="DMS")
    assert found is not None
    assert found.reason == "modality-not-accepted"
    assert found.sentence == (
        f"The image is not of a kind this model can read: the record says {said}, the model reads {DICOM_MODALITY}|DMS."
    )
    if said != "what is no code":
        assert obstacle({"modality": modality}, modalities_also_accepted=(said,)) is None


def test_what_the_card_refuses_no_site_can_accept() -> None:
    video = Coding(MEDIA_TYPE, "video")
    accepts = card().accepts.model_dump() | {"refused": [{"system": video.system, "code": video.code, "display": "Video"}]}
    kind = kind_of({"type": coded(MEDIA_TYPE, "video")})
    site = acceptance(card(accepts=accepts), ImageSettings(modalities_also_accepted=(f"{MEDIA_TYPE}|video",)))
    assert gate(picture(modality=kind.codings, modality_stated=True), PIXELS, site) is not None


@pytest.mark.parametrize("vouched", [None, "DMS"])
@pytest.mark.parametrize(
    "media",
    [
        {},
        {"modality": coded(DICOM_MODALITY, "DMS")},
        {"type": coded("urn:oid:1.2.840.10008.2.16.4", "DMS")},
        {"modality": {"text": "Ultrasound"}},
        {"modality": {"coding": [{"display": "Ultrasound"}]}},
        {"modality": coded(SNOMED, "446082006")},
        {"modality": coded(None, "derm")},
        {"modality": coded(DICOM_MODALITY, "US"), "type": coded(MEDIA_TYPE, "image")},
        {"type": coded(MEDIA_TYPE, "image")},
    ],
)
def test_what_is_looked_for_in_the_record_is_what_is_judged(media: dict[str, Any], vouched: str | None) -> None:
    settings = {"modality_when_absent": vouched, "modalities_also_accepted": (f"{SNOMED}|446082006", "|derm")}
    wanted = modalities(acceptance(card(), ImageSettings(**settings)), None)
    asked_of_the_server = {token(coding) for name in ("modality", "type") for coding in stated_as_they_are(media.get(name))} & set(wanted)
    looked_for = of_modality(media, wanted) if STATED_NOWHERE in wanted else bool(asked_of_the_server)
    assert looked_for is (obstacle(media, **settings) is None)


def stated_as_they_are(concept: Any) -> list[Coding]:
    """As a server finds them: each under the name of its code system that the record has."""
    return [Coding(each.get("system"), each["code"]) for each in (concept or {}).get("coding", []) if "code" in each]
