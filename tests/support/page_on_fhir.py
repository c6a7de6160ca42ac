"""The review page over a real FHIR server: its clinic's records written there, and read from there."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from flask import Flask
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.image.content import Contents
from tocsin.report.resources.device import card_document, device
from tocsin.serve.page.blueprint import blueprint
from tocsin.serve.page.ports import Rules
from tocsin.settings import FhirSettings, ImageSettings

from tests.fakes.page import SOURCE, Clinic, reader

FIRST = ("Patient", "Practitioner", "BodyStructure", "Media", "Observation", "DiagnosticReport", "RiskAssessment", "Provenance")
"""The order in which a server that checks references takes the resources."""


def page_on(base_url: str, made: Clinic) -> Flask:
    """The page of the clinic's report, all of whose records are on the server at that address by now."""
    fhir = FhirClient(FhirSettings(base_url=base_url))
    patients = {"resourceType": "BodyStructure", "id": "page-l1", "patient": {"reference": "Patient/page-p1"}}
    resources = [device(made.card, SOURCE), card_document(made.card, SOURCE)]
    resources += sorted([*made.record.resources.values(), patients], key=lambda each: FIRST.index(each["resourceType"]))
    for each in resources:
        meta = {name: value for name, value in each.get("meta", {}).items() if name != "versionId"}
        fhir.put({name: value for name, value in each.items() if name != "meta"} | ({"meta": meta} if meta else {}))
    made.sessions.now = reader(issuer=base_url)
    http, more = Http(connect_timeout_s=3, request_timeout_s=10), Http(connect_timeout_s=3, request_timeout_s=10)
    ports = replace(
        made.ports(),
        record_of=lambda session: FhirClient(FhirSettings(base_url=base_url, bearer_token=session.token), http),
        contents_of=lambda client: Contents(client, more, ImageSettings()),
    )
    app = Flask("page")
    app.register_blueprint(blueprint(ports, Rules(SOURCE, ZoneInfo("Europe/Berlin"))))
    return app
