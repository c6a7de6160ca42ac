"""small-site.md: what it names exists."""

from __future__ import annotations

import re

import orjson
import pytest
from tocsin.event.types import ImagingEvent

from tests.deploy.compose import project as compose
from tests.deploy.small.page import PAGE, TEXT, first_event
from tests.deploy.systemd import units
from tests.docs import test_docs


def test_its_links_settings_and_commands_exist() -> None:
    test_docs.test_every_link_leads_to_a_file(PAGE)
    test_docs.test_every_setting_a_text_names_exists(PAGE)
    test_docs.test_every_command_a_document_names_exists(PAGE)


def test_every_unit_that_it_starts_is_one() -> None:
    named = set(re.findall(r"\btocsin-[a-z]+(?=@9\d{3}|[ ;]| &&)", " ".join(re.findall(r"systemctl [^\n#]+", TEXT))))
    assert named == {unit.stem.rstrip("@") for unit in units.SERVICES}


def test_an_update_starts_every_process_anew_and_the_pages_only_where_they_run() -> None:
    update = TEXT.partition("## With systemd")[2].partition("**Update.**")[2].partition("\n## ")[0]
    running = {unit.stem.rstrip("@") for unit in units.SERVICES if ("Service", "Restart") in units.read(unit)}
    again = re.findall(r"systemctl (restart|try-restart) ([a-z0-9@ -]+?)(?= &&|  |\n)", update)
    assert {name.partition("@")[0] for _, names in again for name in names.split()} == running
    assert [how for how, names in again if "tocsin-serve" in names] == ["try-restart"], "`restart` starts what was stopped"


@pytest.mark.parametrize("service", ["consume", "kafka", "topics"])
def test_every_container_that_it_looks_into_is_a_service_of_the_compose_file(service: str) -> None:
    assert re.search(rf"docker compose (?:run --rm|exec(?: -T)?|logs(?: --follow)?) {service}\b", TEXT)
    assert service in compose.example()["services"]


def test_its_first_event_is_an_event_and_its_key_the_patient() -> None:
    key, value = first_event()
    assert ImagingEvent.model_validate(orjson.loads(value)).subject == key.decode()
