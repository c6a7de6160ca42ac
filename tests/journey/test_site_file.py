"""From labelled pictures to a site file that judges patients', and back: each command as it is typed, on real parts."""

from __future__ import annotations

import csv
import math
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import yaml
from PIL import Image
from tocsin.cli import site as command
from tocsin.cli.commands import app
from tocsin.errors import ConfigurationError
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.report.flag import Flag
from tocsin.sandbox import triton
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import Child
from tocsin.site.file import read_site_file
from tocsin.site.parts import SiteFile
from typer.testing import CliRunner, Result

from tests.support.house import House, house
from tests.support.labelled import protocol
from tests.support.pictures import encoded
from tests.support.site_files import written
from tests.support.stack import SHADE_MODEL, running
from tests.support.waiting import eventually

Json = dict[str, Any]

FITTED, LATER = 48, 24
"""How many labelled pictures the site file rests on, and how many carry it into use."""
LAX = {
    "n_min": 20,
    "malignant_min": 8,
    "confidence": 0.8,
    "sensitivity_at_least": 0.5,
    "groups": [],
    "net_benefit": {"at_probability": 0.03, "loss_max": 0.5},
    "calibration": {
        "ici_max": 0.9,
        "slope_min": 0.01,
        "slope_max": 100,
        "observed_over_expected_min": 0.01,
        "observed_over_expected_max": 100,
    },
    "attempts_max": 2,
}
"""Bounds that two dozen labels can meet."""
LIGHT = 150
"""Of the patients' pictures, which the card alone flags."""


@dataclass
class Clinic:
    """A hospital with a site's folder."""

    house: House
    root: Path
    clock: pytest.MonkeyPatch

    @property
    def folder(self) -> Path:
        return self.root / "site"

    @property
    def active(self) -> Path:
        return self.folder / "active.yaml"

    def run(self, *words: str | Path, **more: str) -> Result:
        """A command, with the site's settings."""
        return CliRunner().invoke(app, [*map(str, words)], env={**self.house.variables, "NO_COLOR": "1", "COLUMNS": "200", **more})

    def done(self, *words: str | Path) -> Json:
        """The last line of a command that ended well."""
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        told: Json = orjson.loads(result.stdout.splitlines()[-1])
        return told

    def at(self, day: date) -> None:
        """Set the clock by which decisions are noted."""
        self.clock.setattr(command, "utc_now", lambda: datetime(day.year, day.month, day.day, 12, tzinfo=UTC))

    def scored(self, name: str, count: int, first: date) -> Path:
        """The scores of labelled pictures: `tocsin evaluate`."""
        images = labelled(self.root / name, name, count, first)
        return Path(self.done("evaluate", "--images", images, "--out", self.root / f"{name}-out")["scores"])

    def promote(self, candidate: Path, under: Path, later: Path, fitted: Path) -> SiteFile:
        """The site file in use, once that candidate was promoted."""
        self.done("site", "promote", self.folder, candidate, "--protocol", under, "--scores", later, "--fitted", fitted)
        return read_site_file(self.active)

    def consuming(self, name: str, edition: int, **more: str) -> AbstractContextManager[Child]:
        """`tocsin consume` of a deployment, until the block ends."""
        return self.house.consuming(name, TOCSIN_REPORT__EDITION=str(edition), **more)


def picture(light: int, seed: int) -> bytes:
    """A picture of that light, with detail in it."""
    noise = np.random.default_rng(seed).integers(-30, 31, (60, 80, 1)) + light
    return encoded(Image.fromarray(np.repeat(noise.clip(0, 255).astype(np.uint8), 3, 2)).resize((320, 240), Image.Resampling.BILINEAR))


def labelled(folder: Path, name: str, count: int, first: date) -> Path:
    """Pictures from dark to light with a list of labels: the lighter half is malignant, but that every fifth is the other way round."""
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "malignant", "patient_id", "label_kind", "labelled_on"))
        for number in range(count):
            light = 95 + 115 * number // count
            (folder / f"{name}-{number}.jpg").write_bytes(picture(light, number))
            malignant = (2 * number >= count) != (number % 5 == 0)
            rows.writerow((f"{name}-{number}.jpg", int(malignant), f"{name}-{number}", "pathology", first + timedelta(days=number)))
    return folder


@pytest.fixture(scope="module")
def shade_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[triton.Triton]:
    """A real Triton whose model's answers are known."""
    with running(lambda: triton.start(SHADE_MODEL, tmp_path_factory.mktemp("shade"))) as part:
        yield part


@pytest.fixture
def clinic(
    kafka: Kafka, fhir_server: Fhir, shade_triton: triton.Triton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Clinic]:
    card = tmp_path / "card.yaml"
    card.write_text(yaml.safe_dump(yaml.safe_load(packaged(REFERENCE_CARD).read_text()) | {"name": "shade"}))
    made = house(kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=shade_triton.grpc_url, card=card, folder=tmp_path)
    yield Clinic(made, tmp_path, monkeypatch)
    made.bus.close()


def said(house: House, media: str) -> Json:
    """What stands of a picture, in the record and on the bus: its one report, its risk, the site file its Provenance names, its flag."""
    [report] = [each for each in house.record.reports_on(media) if each["status"] == "preliminary"]
    ident = report["id"]
    [provenance] = house.record.search(f"Provenance?target=DiagnosticReport/{ident}")
    devices = [each["what"]["reference"] for each in provenance["entity"] if each["what"].get("reference", "").startswith("Device/")]
    risks = house.record.search(f"RiskAssessment?subject={report['subject']['reference']}")
    predictions = [found for each in risks if each["id"] in str(report) for found in each["prediction"] if "probabilityDecimal" in found]
    told = [each for each in house.bus.records(house.bus.settings.topic_flags) if Flag.model_validate_json(each.value).media == media][-1]
    return {
        "report": f"DiagnosticReport/{ident}",
        "conclusion": report["conclusion"],
        "site_file": [house.record.search(f"Device?_id={each.partition('/')[2]}")[0]["identifier"][0]["value"] for each in devices],
        "probability": next((each["probabilityDecimal"] for each in predictions), None),
        "flag": Flag.model_validate_json(told.value),
        "flag_names": dict(told.headers).get("tocsin-site-file"),
    }


def judged(clinic: Clinic, process: str, media: str, subject: str) -> Json:
    """What stands of the picture once it was announced to that process, which has told its flag."""
    clinic.house.bus.announce(media, subject)
    published(clinic.house, process, media)
    return said(clinic.house, media)


def published(house: House, process: str, media: str) -> None:
    """Return once the process has said so of the picture."""
    eventually(lambda: any("published" in each and media in each for each in house.log(process).splitlines()), within_s=90, what=media)


def told(house: House, media: str) -> int:
    """How often a flag of the picture was told."""
    return sum(each.media == media for each in house.bus.flags())


def probability(site: SiteFile) -> float:
    """What a site file makes of the patients' picture's score, by its own words in YAML and nothing of Tocsin's."""
    odds = 16 * (LIGHT / 255 - 0.6)
    return 1 / (1 + math.exp(-(site.calibration.intercept + site.calibration.slope * odds)))


def test_from_labels_to_a_site_file_that_judges_and_back(clinic: Clinic) -> None:
    house, site = clinic.house, {"TOCSIN_MODEL__SITE_FILE": str(clinic.active)}
    clinic.at(date(2026, 1, 1))
    under = clinic.root / "protocol.yaml"
    under.write_text(yaml.safe_dump(protocol(model="shade/1", **LAX).model_dump(mode="json")))
    clinic.done("site", "register", clinic.folder, under)
    clinic.at(date(2026, 9, 1))
    fitted, later = clinic.scored("fitted", FITTED, date(2026, 2, 1)), clinic.scored("later", LATER, date(2026, 6, 1))
    candidate = clinic.root / "north.yaml"
    assert clinic.done("calibrate", "--scores", fitted, "--out", candidate, "--target-sensitivity", "0.7", "--confidence", "0.8")["shown"]
    first = clinic.promote(candidate, under, later, fitted)

    mark = secrets.token_hex(4)
    subject = house.record.patient(f"p-{mark}")
    media, other, third = (house.record.media(f"{name}-{mark}", subject, picture(LIGHT, 7)) for name in ("first", "other", "third"))
    with clinic.consuming("alone", 1):
        by_card = judged(clinic, "alone", media, subject)
    with clinic.consuming("north-1", 2, **site):
        by_site = judged(clinic, "north-1", media, subject)
        clinic.done("calibrate", "--scores", fitted, "--out", candidate, "--prevalence", "0.05")
        second = clinic.promote(candidate, under, later, fitted)
        of_a_running_process = judged(clinic, "north-1", other, subject)
    assert (str(first), str(second)) == ("north/1", "north/2")
    assert probability(second) < 0.8 * probability(first)
    assert (by_card["site_file"], by_site["site_file"], of_a_running_process["site_file"]) == ([], ["north/1"], ["north/1"])
    assert (by_card["flag_names"], by_site["flag_names"], of_a_running_process["flag_names"]) == (None, b"north/1", b"north/1")
    assert by_site["report"] == by_card["report"]
    assert "north" not in by_card["conclusion"]
    assert "(north)" in by_site["conclusion"]
    assert by_site["probability"] == pytest.approx(100 * probability(first), rel=0.02)
    assert by_site["flag"].probability == pytest.approx(probability(first), rel=0.02)
    printed = clinic.run("print", by_site["report"], "--text", **site).output
    assert by_site["conclusion"].partition(".")[0] in " ".join(printed.split())
    checked = [orjson.loads(line) for line in clinic.run("check", "--json", **site).stdout.splitlines()]
    assert [each["found"] for each in checked if each["part"] == "card" and "north/2" in each["found"] and each["passed"]]

    # a torn file, one of another card, none: nothing is judged, and nothing is lost
    sound = clinic.active.read_bytes()
    clinic.active.unlink()
    clinic.active.write_bytes(sound[: len(sound) // 2])
    house.bus.announce(third, subject)
    with house.consuming("torn", **site) as torn:
        eventually(lambda: not torn.alive, within_s=90, what="the end of a process with a torn site file")
    assert torn.exit_code == ConfigurationError.exit_code
    assert f"site file {clinic.active}" in house.log("torn")
    assert (house.bus.lag(), told(house, third)) == (1, 0)
    assert "was changed by hand" in str(clinic.run("site", "rollback", clinic.folder, "--to", "0").exception)
    clinic.active.unlink()
    of_another = written(clinic.root, read_card(packaged(REFERENCE_CARD)))
    assert "it was made for sklesion/1" in str(clinic.run("check", TOCSIN_MODEL__SITE_FILE=str(of_another)).exception)

    clinic.done("site", "rollback", clinic.folder, "--to", "0", "--reason", "misses")
    with clinic.consuming("rolled-back", 3):
        back = judged(clinic, "rolled-back", media, subject)
        published(house, "rolled-back", third)
    assert (told(house, media), told(house, third)) == (3, 1)
    assert (back["site_file"], back["flag_names"]) == ([], None)
    assert (back["conclusion"], back["report"]) == (by_card["conclusion"], by_card["report"])
    assert clinic.run("site", "check", clinic.folder).exit_code == 0
