"""`tocsin check` says of each EHR whether its keys can be read."""

from __future__ import annotations

from pathlib import Path

from tocsin.bootstrap import cds
from tocsin.settings import CdsSettings

from tests.support.cds_caller import ec_key, jwk, jwks


def test_each_issuers_keys_are_read(tmp_path: Path) -> None:
    good, empty = tmp_path / "good.json", tmp_path / "empty.json"
    good.write_bytes(jwks(jwk(ec_key(), "k1"), jwk(ec_key(1), "k2")))
    empty.write_bytes(jwks({"kty": "EC"}))
    files = {"https://one": good, "https://two": empty, "https://three": tmp_path / "none.json"}
    settings = CdsSettings.model_validate({"issuers": {iss: {"jwks_file": str(file)} for iss, file in files.items()}})
    found = {each.what: each for each in cds.preflight(settings, of_serve=True)}
    assert {what: each.passed for what, each in found.items()} == {
        "keys of https://one": True,
        "keys of https://two": False,
        "keys of https://three": False,
    }
    assert "2 key(s)" in found["keys of https://one"].found
    assert "No such file" in found["keys of https://three"].found
    assert "TOCSIN_CDS__ISSUERS" in found["keys of https://three"].fix


def test_a_file_that_is_not_here_is_not_looked_at_by_others_than_serve(tmp_path: Path) -> None:
    here = tmp_path / "here.json"
    here.write_bytes(jwks({"kty": "EC"}))
    files = {"https://one": here, "https://two": tmp_path / "none.json"}
    settings = CdsSettings.model_validate({"issuers": {iss: {"jwks_file": str(file)} for iss, file in files.items()}})
    found = {each.what: each for each in cds.preflight(settings)}
    assert {what: each.passed for what, each in found.items()} == {"keys of https://one": False, "keys of https://two": None}
    assert "--for serve" in found["keys of https://two"].found


def test_where_no_ehr_may_call_there_is_nothing_to_look_at() -> None:
    assert list(cds.preflight(CdsSettings())) == []


def test_an_address_that_does_not_answer_is_a_failed_check() -> None:
    settings = CdsSettings.model_validate({"issuers": {"https://one": {"jku": ["https://127.0.0.1:1/keys"]}}})
    [check] = cds.preflight(settings)
    assert (check.passed, check.part) == (False, "cds")
    assert "refused" in check.found
