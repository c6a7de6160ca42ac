"""A token that somebody renews in a file is taken up without a restart, and never guessed at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from tocsin.errors import Deferred
from tocsin.fhir.client import FhirClient, accepted
from tocsin.settings import FhirSettings

from tests.support.relay import Request, relay
from tests.support.web import Reply, Web, web

SETTING = "TOCSIN_FHIR__BEARER_TOKEN_FILE"


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        yield running


def client(site: Web, file: Path) -> FhirClient:
    return FhirClient(FhirSettings(base_url=f"{site.origin}/fhir", bearer_token_file=file))


def sent(site: Web) -> list[str]:
    return [asked.headers["authorization"] for asked in site.asked]


def test_a_token_is_read_again_when_its_file_changes(site: Web, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    fhir = client(site, file)
    fhir.get("Patient/p1")
    fhir.get("Patient/p1")
    file.write_text("  second-and-longer \r\n")
    fhir.get("Patient/p1")
    (tmp_path / "next").write_text("third")
    (tmp_path / "next").replace(file)
    fhir.get("Patient/p1")
    assert sent(site) == ["Bearer first", "Bearer first", "Bearer second-and-longer", "Bearer third"]


def test_a_token_is_read_again_when_the_folder_it_is_linked_from_is_swapped(site: Web, tmp_path: Path) -> None:
    """As Kubernetes renews what it mounts: token -> ..data/token, ..data -> a folder of its time."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
        os.utime(tmp_path / name / "token", ns=(0, 0))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "token").symlink_to("..data/token")
    fhir = client(site, tmp_path / "token")
    fhir.get("Patient/p1")
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").replace(tmp_path / "..data")
    fhir.get("Patient/p1")
    assert sent(site) == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("content", [None, "", " \n", "two\nlines", "a word", "h\u00e4ndisch", "x" * 70_000])
def test_while_the_file_holds_no_token_the_event_waits_and_nothing_is_sent(site: Web, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    fhir = client(site, tmp_path / "token")
    with pytest.raises(Deferred, match=SETTING) as caught:
        fhir.get("Patient/p1")
    assert (site.asked, caught.value.neighbour) == ([], "fhir")
    assert content is None or not content.strip() or content.strip() not in str(caught.value)
    (tmp_path / "token").write_text("good")
    assert fhir.get("Patient/p1").status == 404


def test_a_token_that_is_refused_is_looked_for_once_more(tmp_path: Path) -> None:
    """The file was renewed in the same moment, so that nothing but its content tells."""
    file = tmp_path / "token"
    file.write_text("old")
    asked = list[str]()

    def answer(request: Request) -> Reply:
        asked.append(request.header("Authorization"))
        when = file.stat()
        file.write_text("new")
        os.utime(file, ns=(when.st_atime_ns, when.st_mtime_ns))
        return Reply(200 if asked[-1] == "Bearer new" else 401)

    with relay(answer) as origin:
        fhir = client(Web(origin), file)
        assert fhir.get("Patient/p1").status == 200
    assert asked == ["Bearer old", "Bearer new"]


def test_a_token_that_stays_refused_is_tried_once_and_the_event_waits(site: Web, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    site.replies["/fhir/Patient/p1"] = Reply(401)
    with pytest.raises(Deferred, match=r"HTTP 401 to the read of Patient/p1: the token is missing, wrong or expired"):
        accepted(client(site, tmp_path / "token").get("Patient/p1"), "Patient/p1")
    assert len(site.asked) == 1


def test_a_token_in_the_settings_and_in_a_file_at_once_is_a_wrong_setting() -> None:
    with pytest.raises(ValidationError, match="both set"):
        FhirSettings(bearer_token=SecretStr("x"), bearer_token_file=Path("y"))
