"""The model as FHIR resources: one Device for each model version, and its card as a DocumentReference."""

from __future__ import annotations

import base64

from tocsin.fhir.canonical import AI_DEVICE_TYPES, AI_INPUTS, AI_KIND, AI_MODEL_CARD
from tocsin.fhir.datatypes import Json, as_instant
from tocsin.model_card import ModelCard
from tocsin.report.resources.identity import card_id, device_id, part_id, site_device_id
from tocsin.site.file import calibrated_on, original, site_of, site_sha256
from tocsin.site.parts import Evaluated, SiteFile

AI_TYPE: Json = {"system": AI_DEVICE_TYPES, "code": "Artificial-Intelligence", "display": "Artificial Intelligence"}


def device(card: ModelCard, source: str) -> Json:
    """The AI-Device (HL7 AI Transparency) of this model version; the same bytes every time."""
    return {
        "resourceType": "Device",
        "id": device_id(source, card.model),
        "extension": [
            {"url": AI_KIND, "valueCodeableConcept": {"coding": [{"system": AI_DEVICE_TYPES, "code": "Deep-Learning-Models"}]}},
            {"url": AI_KIND, "valueCodeableConcept": {"coding": [{"system": AI_DEVICE_TYPES, "code": "Medical-Image-Analysis"}]}},
            {"url": AI_MODEL_CARD, "valueReference": {"reference": f"DocumentReference/{card_id(source, card.model)}"}},
        ],
        "identifier": [{"system": source, "value": str(card.model)}],
        "status": "active",
        "manufacturer": card.manufacturer,
        "deviceName": [{"name": card.title, "type": "model-name"}],
        "modelNumber": card.name,
        "type": {"coding": [AI_TYPE], "text": "Artificial Intelligence"},
        "version": [{"value": card.version}, {"value": f"sha256:{card.provenance.served_sha256}"}],
    }


def site_resources(card: ModelCard, source: str) -> list[Json]:
    """The site file by which a card is used as a Device of its own, and the Provenance that says what carried it into use.

    Empty where the card is used alone; the same bytes every time. A site file with other content is another Device.
    """
    site = site_of(card)
    if site is None:
        return []
    made = _site_device(card, site, source)
    return [made] if site.evaluation is None else [made, _carried(made, site.evaluation)]


def _site_device(card: ModelCard, site: SiteFile, source: str) -> Json:
    point = site.operating_point
    said = [f"Calibration and operating point of {card.title}, version {card.version}, on {calibrated_on(site)}", point.chosen]
    return {
        "resourceType": "Device",
        "id": site_device_id(source, card.model, site),
        "identifier": [{"system": source, "value": str(site)}],
        "status": "active",
        "deviceName": [{"name": f"{card.title} at {site.name}, site file {site.version}", "type": "user-friendly-name"}],
        "type": {"coding": [AI_TYPE], "text": "Artificial Intelligence"},
        "version": [{"value": str(site.version)}, {"value": f"sha256:{site_sha256(site)}"}],
        "note": [{"text": each} for each in said],
        "parent": {"reference": f"Device/{device_id(source, card.model)}"},
    }


def _carried(made: Json, evaluation: Evaluated) -> Json:
    """The Provenance of a site's Device: which evaluation, by which protocol, carried it into use, and when."""
    when = as_instant(evaluation.carried_on)
    held = {"urn:tocsin:evaluation-sha256": evaluation.report_sha256, "urn:tocsin:protocol-sha256": evaluation.protocol_sha256}
    return {
        "resourceType": "Provenance",
        "id": part_id(made["id"], "carried"),
        "target": [{"reference": f"Device/{made['id']}"}],
        "occurredDateTime": when,
        "recorded": when,
        "reason": [{"text": "An evaluation on later labels met the bounds that were set before."}],
        "agent": [{"role": [{"coding": [AI_TYPE]}], "who": {"display": "Tocsin"}}],
        "entity": [{"role": "source", "what": {"identifier": {"system": system, "value": sha256}}} for system, sha256 in held.items()],
    }


def card_document(card: ModelCard, source: str) -> Json:
    """The AI-ModelCard (HL7 AI Transparency) in Markdown; the same bytes every time, whether a site calibrates the model or not."""
    text = base64.b64encode(as_markdown(original(card)).encode()).decode("ascii")
    return {
        "resourceType": "DocumentReference",
        "id": card_id(source, card.model),
        "status": "current",
        "type": {"coding": [{"system": AI_INPUTS, "code": "AIModelCard"}], "text": "AI model card"},
        "category": [{"coding": [{"system": AI_INPUTS, "code": "AIModelCardMarkdownFormat"}], "text": "Markdown"}],
        "description": f"Model card of {card.title}, version {card.version}",
        "content": [{"attachment": {"contentType": "text/markdown", "data": text, "title": f"{card.title}: model card"}}],
    }


def as_markdown(card: ModelCard) -> str:
    """The card as a person reads it."""
    point = card.operating_point
    lines = [
        f"# {card.title}",
        f"Version {card.version} ({card.name}) by {card.manufacturer}. Licence {card.provenance.licence}.",
        f"## Intended use\n{card.intended_use}",
        "## Known limits",
        *(f"- {limit.sentence} {limit.evidence or ''}".rstrip() for limit in card.known_limits),
        f"## Calibration\n{card.calibrated_on or 'None: the score is no probability.'}",
        f"## Operating point {point.name}\n{point.chosen}",
        *(f"- {band.display}: score of {band.at_least} or more" for band in point.bands),
        "## Classes",
        *(f"- {each.display}{' (malignant)' if each.malignant else ''}" for each in card.output.classes),
        f"## Provenance\n{card.provenance.source}, SHA-256 {card.provenance.source_sha256}.",
        f"Trained on: {card.provenance.trained_on}",
        f"Served network: SHA-256 {card.provenance.served_sha256}.",
    ]
    return "\n\n".join(lines) + "\n"
