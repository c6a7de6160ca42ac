"""Which granted scopes cover which needed ones."""

from __future__ import annotations

import pytest
from tocsin.serve.smart.scopes import missing

NEEDED = ["openid", "fhirUser", "user/DiagnosticReport.rs", "user/Media.rs"]


@pytest.mark.parametrize(
    "granted",
    [
        "openid fhirUser user/DiagnosticReport.rs user/Media.rs",
        "openid fhirUser user/DiagnosticReport.read user/Media.read",
        "openid fhirUser user/*.read",
        "openid fhirUser user/*.rs",
        "openid fhirUser user/*.cruds launch",
        "openid fhirUser patient/DiagnosticReport.rs patient/Media.cruds",
        "openid fhirUser user/DiagnosticReport.r user/DiagnosticReport.s user/Media.*",
    ],
)
def test_either_spelling_covers(granted: str) -> None:
    assert missing(NEEDED, granted.split()) == ()


@pytest.mark.parametrize(
    ("granted", "lacking"),
    [
        ("", tuple(NEEDED)),
        ("openid user/DiagnosticReport.rs user/Media.rs", ("fhirUser",)),
        ("openid fhirUser user/DiagnosticReport.r user/Media.rs", ("user/DiagnosticReport.rs",)),
        ("openid fhirUser user/DiagnosticReport.rs user/Media.write", ("user/Media.rs",)),
        ("openid fhirUser user/DiagnosticReport.rs system/Media.rs", ("user/Media.rs",)),
        ("openid fhirUser user/DiagnosticReport.rs?category=x user/Media.rs", ("user/DiagnosticReport.rs",)),
        ("openid fhirUser user/DiagnosticReports.rs user/Media.rs", ("user/DiagnosticReport.rs",)),
    ],
)
def test_what_is_not_covered_is_named(granted: str, lacking: tuple[str, ...]) -> None:
    assert missing(NEEDED, granted.split()) == lacking
