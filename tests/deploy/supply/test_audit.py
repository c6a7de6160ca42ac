"""An audit says clean only of what was looked up."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import lz4.frame
import pytest

from deploy.supply.__main__ import main
from deploy.supply.advisories import Package, apt_lists, is_affected, osv
from deploy.supply.audit import Acceptance, Answer, acceptances, audited, report
from deploy.supply.errors import SupplyError

NOW: Final = datetime(2026, 11, 27, tzinfo=UTC)
WEEK: Final = timedelta(days=7)
WAITRESS: Final = {
    "id": "PYSEC-2022-205",
    "aliases": ["CVE-2022-31015", "GHSA-f5x9-8jwc-25rw"],
    "modified": "2026-11-26T20:37:51.457649Z",
    "affected": [
        {
            "package": {"name": "waitress", "ecosystem": "PyPI"},
            "ranges": [
                {"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "4f6789b0"}]},
                {"type": "ECOSYSTEM", "events": [{"introduced": "2.1.0"}, {"fixed": "2.1.2"}]},
            ],
            "versions": ["2.1.0", "2.1.1"],
        }
    ],
}
"""As the Python Packaging Advisory Database has it, but for its date."""
GLIBC: Final = {
    "id": "DSA-1",
    "modified": "2026-11-26T00:00:00Z",
    "affected": [
        {
            "package": {"name": "glibc", "ecosystem": "Debian:12"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.36-9+deb12u11"}]}],
        }
    ],
}
LIBC: Final = {
    "name": "libc6",
    "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
    "properties": [
        {"name": "tocsin:debian:source", "value": "glibc"},
        {"name": "tocsin:debian:source-version", "value": "2.36-9+deb12u10"},
    ],
}


def pypi(name: str, version: str) -> dict[str, Any]:
    return {"name": name, "purl": f"pkg:pypi/{name}@{version}"}


def bill(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "metadata": {"component": pypi("tocsin", "0.1.0")}, "components": list(parts)}


def dump(folder: Path, *records: Mapping[str, Any]) -> Path:
    with zipfile.ZipFile(folder / "all.zip", "w") as packed:
        for record in records:
            packed.writestr(f"{record['id']}.json", json.dumps(record))
    return folder / "all.zip"


def test_a_known_vulnerability_is_found_with_its_names_and_its_fix(tmp_path: Path) -> None:
    database = osv(dump(tmp_path, WAITRESS))
    audit = audited(bill(pypi("waitress", "2.1.1")), [database], (), now=NOW, age_max=WEEK)
    assert audit.answer is Answer.FOUND
    assert "waitress 2.1.1: PYSEC-2022-205 (CVE-2022-31015, GHSA-f5x9-8jwc-25rw), fixed in: 2.1.2" in report(audit, [database])


def test_a_bill_whose_every_package_was_looked_up_and_is_in_no_record_is_clean(tmp_path: Path) -> None:
    audit = audited(bill(pypi("waitress", "3.0.2"), pypi("orjson", "3.13.0")), [osv(dump(tmp_path, WAITRESS))], (), now=NOW, age_max=WEEK)
    assert (audit.answer, audit.examined) == (Answer.CLEAN, 2)


def test_tocsin_itself_is_looked_up_nowhere_for_a_package_of_its_name_may_be_anybodys(tmp_path: Path) -> None:
    audit = audited(bill(pypi("tocsin", "0.1.0"), pypi("waitress", "3.0.2")), [osv(dump(tmp_path, WAITRESS))], (), now=NOW, age_max=WEEK)
    assert audit.examined == 1


def test_what_no_database_covers_is_never_clean(tmp_path: Path) -> None:
    databases = [osv(dump(tmp_path, WAITRESS))]
    audit = audited(bill(pypi("waitress", "3.0.2"), LIBC), databases, (), now=NOW, age_max=WEEK)
    assert audit.answer is Answer.COULD_NOT
    assert "not looked up: 1 of Debian:12: libc6 2.36-9+deb12u10" in report(audit, databases)
    assert audited(bill(), databases, (), now=NOW, age_max=WEEK).answer is Answer.COULD_NOT


def test_what_is_found_outweighs_what_was_not_looked_up(tmp_path: Path) -> None:
    audit = audited(bill(pypi("waitress", "2.1.0"), LIBC), [osv(dump(tmp_path, WAITRESS))], (), now=NOW, age_max=WEEK)
    assert audit.answer is Answer.FOUND
    assert len(audit.unexamined) == 1


def test_a_database_that_is_too_old_counts_as_none(tmp_path: Path) -> None:
    databases = [osv(dump(tmp_path, WAITRESS))]
    audit = audited(bill(pypi("waitress", "2.1.1")), databases, (), now=NOW + timedelta(days=30), age_max=WEEK)
    assert audit.answer is Answer.COULD_NOT
    assert "TOO OLD" in report(audit, databases)


def test_a_version_that_cannot_be_ordered_was_not_looked_up(tmp_path: Path) -> None:
    audit = audited(bill(pypi("waitress", "no-version")), [osv(dump(tmp_path, WAITRESS))], (), now=NOW, age_max=WEEK)
    assert audit.answer is Answer.COULD_NOT


def test_a_debian_package_is_looked_up_by_its_source(tmp_path: Path) -> None:
    audit = audited(bill(LIBC), [osv(dump(tmp_path, GLIBC))], (), now=NOW, age_max=WEEK)
    assert [finding.identifier for finding in audit.findings] == ["DSA-1"]


def test_a_record_that_was_withdrawn_or_that_debian_calls_unimportant_finds_nothing(tmp_path: Path) -> None:
    unimportant = GLIBC | {"affected": [dict(GLIBC["affected"][0]) | {"ecosystem_specific": {"urgency": "unimportant"}}]}  # type: ignore[arg-type] # a dict
    withdrawn = WAITRESS | {"withdrawn": "2026-01-01T00:00:00Z"}
    databases = [
        osv(
            dump(
                tmp_path,
                withdrawn,
                unimportant,
                {"id": "X", "modified": "2026-11-26T00:00:00Z", "affected": [{"package": {"name": "x", "ecosystem": "PyPI"}}]},
            )
        )
    ]
    audit = audited(bill(pypi("waitress", "2.1.1"), LIBC), databases, (), now=NOW, age_max=WEEK)
    assert audit.answer is Answer.CLEAN


def test_what_was_accepted_stands_until_its_day_and_no_longer(tmp_path: Path) -> None:
    rows = [Acceptance("CVE-2022-31015", "behind a proxy", date(2026, 11, 27))]
    before, after = (
        audited(bill(pypi("waitress", "2.1.1")), [osv(dump(tmp_path, WAITRESS))], rows, now=now, age_max=WEEK)
        for now in (NOW, NOW + timedelta(days=1))
    )
    assert (before.answer, len(before.accepted)) == (Answer.CLEAN, 1)
    assert after.answer is Answer.FOUND


def test_what_stands_accepted_in_the_tree_has_a_reason() -> None:
    assert [row.identifier for row in acceptances() if len(row.why) < 20] == []


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([{"introduced": "0"}], ["0.1", "99"], []),
        ([{"introduced": "1.2"}, {"fixed": "1.10"}], ["1.2", "1.9"], ["1.1", "1.10", "2"]),
        ([{"introduced": "0"}, {"last_affected": "1.5"}], ["1.5", "1.0"], ["1.5.1"]),
        ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.1"}], ["0.9", "2.0.5"], ["1.0", "1.9", "2.1"]),
        ([{"fixed": "2.1"}, {"introduced": "2.0"}], ["2.0"], ["1.9", "2.1"]),
        ([{"introduced": "1.0"}, {"fixed": "2.0"}], ["2.0rc1"], ["1.0rc1"]),
    ],
)
def test_a_range_holds_what_was_introduced_and_not_yet_fixed(events: list[dict[str, str]], inside: list[str], outside: list[str]) -> None:
    affected = {"ranges": [{"type": "ECOSYSTEM", "events": events}]}
    found = {version for version in inside + outside if is_affected(Package("PyPI", "x", version, ""), affected)}
    assert found == set(inside)


def test_a_version_that_is_listed_is_affected_however_it_is_written() -> None:
    assert is_affected(Package("PyPI", "x", "1.0", ""), {"versions": ["1.0.0", "not a version"]})


@pytest.mark.parametrize(
    ("version", "hit"), [("2.36-9+deb12u10", True), ("2.36-9+deb12u11", False), ("1:0-1", False), ("2.36-9~bpo1", True)]
)
def test_debians_versions_are_ordered_as_debian_orders_them(version: str, hit: bool) -> None:
    assert is_affected(Package("Debian:12", "glibc", version, ""), GLIBC["affected"][0]) is hit  # type: ignore[arg-type] # a dict


RELEASE: Final = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Version: 12
Date: Thu, 26 Nov 2026 08:00:00 UTC
-----BEGIN PGP SIGNATURE-----

x
-----END PGP SIGNATURE-----
"""


def test_an_update_of_the_security_archive_that_an_image_lacks_is_found_in_apts_own_lists(tmp_path: Path) -> None:
    (tmp_path / "x_debian-security_dists_bookworm-security_InRelease").write_text(RELEASE)
    packages = "Package: libc6\nVersion: 2.36-9+deb12u9\n\nPackage: libc6\nVersion: 2.36-9+deb12u12\n\n"
    (tmp_path / "x_debian-security_dists_bookworm-security_main_binary-amd64_Packages.lz4").write_bytes(
        lz4.frame.compress(packages.encode())
    )
    database = apt_lists(tmp_path, "Debian:12")
    audit = audited(bill(LIBC), [database], (), now=NOW, age_max=WEEK)
    assert [(finding.identifier, finding.fixed_in) for finding in audit.findings] == [("update of libc6", ("2.36-9+deb12u12",))]
    assert database.as_of == datetime(2026, 11, 26, 8, tzinfo=UTC)
    with pytest.raises(SupplyError, match="no list of the security archive of Debian:13"):
        apt_lists(tmp_path, "Debian:13")


def test_without_any_database_the_command_says_that_it_could_not_tell_and_ends_with_75(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bill.json").write_text(json.dumps(bill(pypi("waitress", "3.0.2"))))
    assert main(["audit", str(tmp_path / "bill.json")]) == Answer.COULD_NOT
    assert capsys.readouterr().out.startswith("could not tell")


def test_a_file_that_is_no_database_or_no_bill_is_named_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bill.json").write_text(json.dumps(bill()))
    (tmp_path / "all.zip").write_bytes(b"none")
    assert main(["audit", str(tmp_path / "bill.json"), "--osv", str(tmp_path / "all.zip")]) == 2
    assert main(["audit", str(tmp_path / "all.zip")]) == 2
    assert capsys.readouterr().err.count("all.zip") == 2
