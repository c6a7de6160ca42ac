"""Whether a bill of materials names parts with known vulnerabilities: clean, found, or not to be told.

What no database at hand covers is said, and is never clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import yaml
from packageurl import PackageURL

from deploy.supply.advisories import PYPI, Database, Finding, Package
from deploy.supply.archives import ROOT_NAME
from deploy.supply.debian import SOURCE, SOURCE_VERSION

ACCEPTED: Final = Path(__file__).with_name("accepted.yaml")


class Answer(IntEnum):
    """How an audit ends; the number is the exit code."""

    CLEAN = 0
    FOUND = 1
    COULD_NOT = 75
    """A part was not looked up, by want of a database that knows of it and is not too old."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A vulnerability that somebody looked into, and why it may stand until the end of a day."""

    identifier: str
    why: str
    until: date


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found."""

    examined: int
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    unexamined: tuple[Package, ...]
    too_old: tuple[Database, ...]
    brought_along: int
    """Libraries inside wheels, which no database at hand names as such."""

    @property
    def answer(self) -> Answer:
        """What was found outweighs what could not be told."""
        if self.findings:
            return Answer.FOUND
        return Answer.COULD_NOT if self.unexamined or not self.examined else Answer.CLEAN


def acceptances(file: Path = ACCEPTED) -> tuple[Acceptance, ...]:
    """The rows of accepted.yaml."""
    return tuple(Acceptance(**row) for row in yaml.safe_load(file.read_text("utf-8")) or ())


def audited(
    bill: Mapping[str, Any], databases: Sequence[Database], accepted: Iterable[Acceptance], *, now: datetime, age_max: timedelta
) -> Audit:
    """The audit of a bill by the databases that are no older than `age_max` (now with time zone)."""
    packages = list(packages_of(bill))
    fresh = [database for database in databases if now - database.as_of <= age_max]
    looked = {package: _looked_up(package, fresh) for package in packages}
    standing = {each.identifier for each in accepted if each.until >= now.date()}
    found = [finding for findings in looked.values() for finding in findings or ()]
    return Audit(
        examined=sum(findings is not None for findings in looked.values()),
        findings=tuple(finding for finding in found if not _names(finding) & standing),
        accepted=tuple(finding for finding in found if _names(finding) & standing),
        unexamined=tuple(package for package, findings in looked.items() if findings is None),
        too_old=tuple(database for database in databases if database not in fresh),
        brought_along=sum(len(part.get("components", ())) for part in _parts(bill)),
    )


def _names(finding: Finding) -> set[str]:
    return {finding.identifier, *finding.aliases}


def _looked_up(package: Package, databases: Iterable[Database]) -> list[Finding] | None:
    """What the databases find; None where none knows the ecosystem, or the version cannot be ordered."""
    mine = [database for database in databases if package.ecosystem in database.ecosystems]
    try:
        return [finding for database in mine for finding in database.finds(package)] if mine else None
    except ValueError:
        return None


def packages_of(bill: Mapping[str, Any]) -> Iterator[Package]:
    """The Python distributions and Debian packages that the bill names; Tocsin itself and what wheels bring along are none of them."""
    for part in _parts(bill):
        if part.get("purl") is None:
            continue
        purl = PackageURL.from_string(part["purl"])
        if purl.type == "pypi" and purl.version and purl.name != ROOT_NAME:
            yield Package(PYPI, purl.name, purl.version, f"{purl.name} {purl.version}")
        elif purl.type == "deb" and purl.version:
            yield _debian(part, purl, purl.version)


def _debian(part: Mapping[str, Any], purl: PackageURL, version: str) -> Package:
    said = {each["name"]: each["value"] for each in part.get("properties", ())}
    release = re.sub(r"\D", "", str(dict(purl.qualifiers or {}).get("distro", "")))
    title = f"{purl.name} {version}"
    return Package(f"Debian:{release}", said.get(SOURCE, purl.name), said.get(SOURCE_VERSION, version), title, (purl.name, version))


def _parts(bill: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    root = bill.get("metadata", {}).get("component")
    return [*bill.get("components", ()), *([root] if root else [])]


def report(audit: Audit, databases: Iterable[Database]) -> str:
    """The audit as lines for a person, the answer first."""
    return "\n".join([_ANSWERS[audit.answer], *_body(audit, databases)])


_ANSWERS: Final = {
    Answer.CLEAN: "clean: no known vulnerability",
    Answer.FOUND: "found: known vulnerabilities",
    Answer.COULD_NOT: "could not tell: see `not looked up`",
}


def _body(audit: Audit, databases: Iterable[Database]) -> Iterator[str]:
    for finding in audit.findings:
        aliases = f" ({', '.join(finding.aliases)})" if finding.aliases else ""
        yield f"  {finding.package.title}: {finding.identifier}{aliases}, fixed in: {', '.join(finding.fixed_in) or 'no version yet'}"
    for finding in audit.accepted:
        yield f"  accepted: {finding.package.title}: {finding.identifier}"
    for database in databases:
        yield f"looked into: {database.name}, as of {database.as_of:%Y-%m-%d}{', TOO OLD' if database in audit.too_old else ''}"
    yield f"looked up: {audit.examined}"
    yield from _not_looked_up(audit)


def _not_looked_up(audit: Audit) -> Iterator[str]:
    for ecosystem in sorted({package.ecosystem for package in audit.unexamined}):
        titles = [package.title for package in audit.unexamined if package.ecosystem == ecosystem]
        more = f" and {len(titles) - SHOWN} more" if len(titles) > SHOWN else ""
        yield f"not looked up: {len(titles)} of {ecosystem}: {', '.join(titles[:SHOWN])}{more}"
    if audit.brought_along:
        yield f"never looked up: {audit.brought_along} libraries inside wheels; a fix of theirs comes with a new version of the wheel"


SHOWN: Final = 5
