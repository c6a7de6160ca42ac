"""Who writes reports: the model and the installation that runs it, and what follows from these alone, worked out once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tocsin.fhir.canonical import (
    ALTERNATE_REFERENCE,
    BANDS,
    DIAGNOSTIC_SERVICES,
    INTERPRETATIONS,
    LOINC,
    OBSERVATION_CATEGORIES,
    SCORES,
    UCUM,
)
from tocsin.fhir.datatypes import Coding, Json, coding_of
from tocsin.model_card import Band, FindingClass, ModelCard
from tocsin.report.resources.identity import device_id, site_device_id
from tocsin.report.resources.readback import MALIGNANCY, PER_CENT, method_text
from tocsin.report.said import CardSaid, class_code, rounded, thresholds_of
from tocsin.report.words import Wording
from tocsin.settings import REPORT_CATEGORIES, RESULT_CATEGORIES, ReportSettings
from tocsin.site.file import original, site_of

_DISPLAYS: Final = {
    Coding(LOINC, "LP29684-5"): "Radiology",
    Coding(DIAGNOSTIC_SERVICES, "RAD"): "Radiology",
    Coding(DIAGNOSTIC_SERVICES, "OTH"): "Other",
    Coding(OBSERVATION_CATEGORIES, "imaging"): "Imaging",
}
"""Names of the categories that Tocsin's own settings hold; a site's own code stands without."""

_ABOVE: Final = {"system": INTERPRETATIONS, "code": "H", "display": "High"}
"""The score lies above a threshold. Below it nothing of this code system is said: "normal" would be an all-clear."""


@dataclass(frozen=True)
class Issuer:
    """Who writes, and in which words."""

    card: ModelCard
    source: str
    """URI of the installation."""
    language: str = "en"
    report_categories: tuple[str, ...] = REPORT_CATEGORIES
    """system|code of each category of a report."""
    result_categories: tuple[str, ...] = RESULT_CATEGORIES
    """system|code of each category of an Observation."""

    @cached_property
    def wording(self) -> Wording:
        """The words of this model's reports in the issuer's language."""
        return Wording(self.card, self.language)

    @cached_property
    def saying(self) -> CardSaid:
        """What this model's reports say, in no language yet."""
        return CardSaid(self.card)

    @cached_property
    def fixed(self) -> Fixed:
        """What every report of this issuer has in common."""
        return Fixed(self)


def issuer_of(card: ModelCard, settings: ReportSettings) -> Issuer:
    """The issuer that these settings ask for."""
    return Issuer(card, settings.source, settings.language, settings.report_categories, settings.result_categories)


class Fixed:
    """Elements that are the same in every report of one issuer: made once, shared by all bundles, and never changed."""

    def __init__(self, issuer: Issuer) -> None:
        """Makes them."""
        card, say = issuer.card, issuer.wording.catalogue.say
        self._wording, self._card, self._alone = issuer.wording, card, original(card)
        self.device: Json = {"reference": f"Device/{device_id(issuer.source, card.model)}"}
        self.site_entity = list(_site_entity(issuer))
        alternate = {"url": ALTERNATE_REFERENCE, "valueReference": self.device}
        self.performer: list[Json] = [{"extension": [alternate], "display": card.title}]
        self.method: Json = {"text": method_text(card.title, card.version, card.operating_point.name)}
        self.report_categories = _categories(issuer.report_categories)
        self.result_categories = _categories(issuer.result_categories)
        name = say("Malignancy score")
        self.total: Json = {
            "coding": [{"system": SCORES, "code": MALIGNANCY, "display": name}],
            "text": say("Probability of malignancy") if card.is_calibrated else name,
        }
        self.names = {each.code: self._name(each) for each in card.output.classes}
        self.classes: dict[str, Json] = {each.code: self._class(each) for each in card.output.classes}
        self.bands: dict[str, Json] = {each.code: self._band(each) for each in card.operating_point.bands}
        self.interpretations: dict[str, list[Json]] = {each.code: self._interpretation(each) for each in card.operating_point.bands}
        self.thresholds = self._thresholds()
        self.reference_range = [{"text": self._limits()}]

    def quantity(self, score: float) -> Json:
        """A score for malignancy (0..1) as a Quantity: as it is, or in per cent where it is a probability."""
        return _per_cent(score) if self._card.is_calibrated else _score(score)

    def quantity_of_class(self, score: float) -> Json:
        """As `quantity`, for the number of a class, which no site calibrates."""
        return _per_cent(score) if self._alone.is_calibrated else _score(score)

    def _name(self, finding: FindingClass) -> str:
        say, display = self._wording.catalogue.say, self._card.say(finding.display, self._wording.language)
        return (
            say("Probability: {finding}", finding=display) if self._alone.is_calibrated else say("Model score: {finding}", finding=display)
        )

    def _class(self, finding: FindingClass) -> Json:
        display = self._card.say(finding.display, self._wording.language)
        return {
            "coding": [{"system": SCORES, "code": class_code(self._card, finding), "display": display}],
            "text": self.names[finding.code],
        }

    def _band(self, band: Band) -> Json:
        display = self._wording.band(band.code)
        return {"coding": [{"system": BANDS, "code": band.code, "display": display}], "text": display}

    def _interpretation(self, band: Band) -> list[Json]:
        own = self.bands[band.code]
        return [own | {"coding": [_ABOVE, *own["coding"]]} if band.flagged else own]

    def _thresholds(self) -> list[Json]:
        """The lowest limit of each band but the first, as components of the score."""
        calibrated = self._card.is_calibrated
        return [
            {
                "code": {
                    "coding": self.bands[each.code]["coding"],
                    "text": self._wording.threshold(each, calibrated=calibrated),
                },
                "valueQuantity": self.quantity(each.at_least),
            }
            for each in thresholds_of(self._card)
        ]

    def _limits(self) -> str:
        limits = ", ".join(each["code"]["text"] for each in self.thresholds)
        return self._wording.catalogue.say("{limits}; a score below is no all-clear", limits=limits)


def _site_entity(issuer: Issuer) -> Iterator[Json]:
    """The site file among what a report was derived from; nothing where there is none."""
    site = site_of(issuer.card)
    if site is not None:
        device = f"Device/{site_device_id(issuer.source, issuer.card.model, site)}"
        yield {"role": "derivation", "what": {"reference": device, "display": str(site)}}


def _per_cent(score: float) -> Json:
    return {"value": rounded(score * 100), "unit": PER_CENT, "system": UCUM, "code": PER_CENT}


def _score(score: float) -> Json:
    return {"value": rounded(score), "unit": "score", "system": UCUM, "code": "1"}


def _categories(tokens: Sequence[str]) -> list[Json]:
    return [_category(coding_of(each)) for each in tokens]


def _category(coding: Coding) -> Json:
    stated = {} if coding.system is None else {"system": coding.system}
    display = _DISPLAYS.get(coding)
    if display is None:
        return {"coding": [stated | {"code": coding.code}]}
    return {"coding": [stated | {"code": coding.code, "display": display}], "text": display}
