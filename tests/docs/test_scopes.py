"""deploy/serve.md has an EHR register what the pages ask for: nothing less, which fails each launch, and nothing more."""

from __future__ import annotations

import re
from typing import Final

from tocsin.serve.smart.launch import _wanted
from tocsin.serve.smart.scopes import missing
from tocsin.settings import IssuerSettings
from tocsin.settings.serve import SCOPES

from tests.support.queries import DEPLOY

PAGE: Final = (DEPLOY / "serve.md").read_text()
ASKED: Final = {scope for value in ("from a chart", None) for scope in _wanted(IssuerSettings(client_id="tocsin"), value, None)}
"""However a launch begins."""


def registered() -> set[str]:
    """The scopes of the row of what to register, spelled out."""
    [row] = re.findall(r"^\| scopes \| `([^`]+)` and read and search of ([A-Za-z, ]+) \|$", PAGE, re.MULTILINE)
    words, kinds = row
    return {*words.split(), *(f"user/{kind.strip()}.rs" for kind in kinds.split(","))}


def test_who_registers_by_the_table_registers_what_a_launch_asks_for_and_no_more() -> None:
    assert registered() == ASKED


def test_a_launch_that_is_granted_what_the_table_names_lacks_nothing() -> None:
    assert missing(SCOPES, registered()) == ()


def test_the_rows_of_the_ehrs_refer_to_that_table_and_name_no_resource_of_their_own() -> None:
    rows = re.findall(r"^\| (?:Epic|Oracle Health \(Cerner\)|Keycloak before a FHIR server of your own) \| (.+) \|$", PAGE, re.MULTILINE)
    kinds = {scope.partition("/")[2].partition(".")[0] for scope in SCOPES} - {""} | {"RiskAssessment"}
    assert len(rows) == 3
    assert [kind for row in rows for kind in kinds if re.search(rf"\b{kind}\b", row)] == []
    assert "each resource in the row of scopes above" in rows[0]
    assert "each resource in the row of scopes above" in rows[1]
