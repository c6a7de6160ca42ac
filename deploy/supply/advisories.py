"""Databases of known vulnerabilities that lie at hand as files; nothing is asked for over a network.

OSV's records (ossf.github.io/osv-schema, 1.7) as one zip for each ecosystem, or as files; and apt's own lists of Debian's security archive.
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import lz4.frame
from debian.deb822 import Deb822
from debian.debian_support import Version as DebianVersion
from packaging.utils import canonicalize_name
from packaging.version import Version as PythonVersion

from deploy.supply.errors import SupplyError

PYPI: Final = "PyPI"
NOT_OF_THE_BINARY: Final = "unimportant"
"""Debian's word for what does not touch the package as it is built."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a database is asked about. Of a Debian package `name` and `version` are its source's, `ecosystem` is `Debian:12`."""

    ecosystem: str
    name: str
    version: str
    title: str
    """What the reader knows it by."""
    binary: tuple[str, str] | None = None
    """Name and version of a Debian binary package."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One vulnerability of one package."""

    package: Package
    identifier: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Database:
    """One database: as of when it is, which ecosystems it knows, and what it finds.

    `finds` raises ValueError for a version that it cannot order.
    """

    name: str
    as_of: datetime
    ecosystems: frozenset[str]
    finds: Callable[[Package], Iterable[Finding]] = field(repr=False)


def osv(path: Path) -> Database:
    """OSV's records in a zip, a folder or one file. Raises SupplyError where there is none."""
    known: dict[tuple[str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = defaultdict(list)
    newest = datetime.min.replace(tzinfo=UTC)
    for record in _records(path):
        newest = max(newest, _time(record["modified"]))
        for affected in () if record.get("withdrawn") else record.get("affected", ()):
            known[_key(affected["package"]["ecosystem"], affected["package"]["name"])].append((record, affected))
    if not known:
        raise SupplyError(f"{path} holds no record of OSV's: name a dump (all.zip), or a folder of its files")
    ecosystems = frozenset(ecosystem for ecosystem, _ in known)
    return Database(
        f"OSV in {path.name}", newest, ecosystems, lambda package: _in_osv(package, known[_key(package.ecosystem, package.name)])
    )


def _key(ecosystem: str, name: str) -> tuple[str, str]:
    return ecosystem, canonicalize_name(name) if ecosystem == PYPI else name


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        for content in _contents(path):
            yield json.loads(content)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SupplyError(f"{path} cannot be read as OSV's records ({type(error).__name__})") from None


def _contents(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        yield from (file.read_bytes() for file in sorted(path.rglob("*.json")))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in sorted(packed.namelist()) if name.endswith(".json"))
    else:
        yield path.read_bytes()


def _time(text: str) -> datetime:
    said = datetime.fromisoformat(text)
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _in_osv(package: Package, rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[Finding]:
    for record, affected in rows:
        if affected.get("ecosystem_specific", {}).get("urgency") != NOT_OF_THE_BINARY and is_affected(package, affected):
            fixed = (
                event["fixed"]
                for part in affected.get("ranges", ())
                if part["type"] != "GIT"
                for event in part["events"]
                if "fixed" in event
            )
            yield Finding(package, record["id"], tuple(sorted(record.get("aliases", ()))), tuple(fixed))


def is_affected(package: Package, affected: Mapping[str, Any]) -> bool:
    """Whether OSV's `affected` holds the package's version: it is listed, or in a range (schema, "Evaluation"). Raises ValueError."""
    order = _order(package.ecosystem)
    if any(_same(order, package.version, listed) for listed in affected.get("versions", ())):
        return True
    return any(_in_range(order, package.version, part["events"]) for part in affected.get("ranges", ()) if part["type"] != "GIT")


def _order(ecosystem: str) -> Callable[[str], Any]:
    return PythonVersion if ecosystem == PYPI else DebianVersion


def _same(order: Callable[[str], Any], version: str, listed: str) -> bool:
    try:
        return version == listed or bool(order(version) == order(listed))
    except ValueError:
        return False  # a listed version that is none; those in ranges must be


def _in_range(order: Callable[[str], Any], version: str, events: Sequence[Mapping[str, str]]) -> bool:
    mine, inside = order(version), False
    for kind, at in sorted(_steps(events), key=lambda step: (step[1] != "0", order(step[1]) if step[1] != "0" else 0)):
        if kind == "introduced" and (at == "0" or mine >= order(at)):
            inside = True
        elif (kind == "fixed" and mine >= order(at)) or (kind == "last_affected" and mine > order(at)):
            inside = False
    return inside


def _steps(events: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    return [(kind, at) for event in events for kind, at in event.items() if kind in ("introduced", "fixed", "last_affected")]


def apt_lists(folder: Path, ecosystem: str) -> Database:
    """apt's lists of Debian's security archive: what is installed below its version there lacks a fix that is out.

    It knows of nothing that Debian has not fixed. Raises SupplyError where the folder has no such list of this release.
    """
    releases = [(file, Deb822(_unsigned(file))) for file in sorted(folder.glob("*security*InRelease"))]
    mine = [(file, said) for file, said in releases if f"Debian:{said.get('Version', '').split('.')[0]}" == ecosystem]
    if not mine:
        raise SupplyError(f"{folder} has no list of the security archive of {ecosystem}: run `apt-get update` on such a machine")
    newest: dict[str, str] = {}
    for file, _ in mine:
        for stanza in _index(folder, file.name.removesuffix("InRelease")):
            newest[stanza["Package"]] = max(newest.get(stanza["Package"], "0"), stanza["Version"], key=DebianVersion)
    as_of = max(parsedate_to_datetime(said["Date"]) for _, said in mine)
    return Database("Debian's security archive", as_of, frozenset({ecosystem}), lambda package: _behind(package, newest))


def _unsigned(file: Path) -> list[str]:
    """The lines of a signed Release file without its signature, which apt has checked."""
    lines = file.read_text("utf-8").splitlines()
    return [line for line in lines[: lines.index("-----BEGIN PGP SIGNATURE-----")] if not line.startswith(("-----BEGIN", "Hash:"))][1:]


def _index(folder: Path, beginning: str) -> Iterator[Mapping[str, str]]:
    for file in sorted(folder.glob(f"{beginning}*Packages*")):
        opened = lz4.frame.open(file, "rt", encoding="utf-8") if file.suffix == ".lz4" else file.open("r", encoding="utf-8")
        with opened:
            yield from Deb822.iter_paragraphs(opened, fields=["Package", "Version"], use_apt_pkg=False)


def _behind(package: Package, newest: Mapping[str, str]) -> Iterator[Finding]:
    if package.binary is None:
        return
    name, version = package.binary
    if name in newest and DebianVersion(version) < DebianVersion(newest[name]):
        yield Finding(package, f"update of {name}", (), (newest[name],))
