"""Bills of materials in CycloneDX 1.6: of an installed environment, and of the root file system of an image.

Of the same things they are the same bytes: what stands for a serial number is made of the content, and the time is given.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.utils import NormalizedName, canonicalize_name

from deploy.supply.archives import ROOT_NAME, Archive, sha256
from deploy.supply.debian import debian_packages
from deploy.supply.environment import installed, site_packages
from deploy.supply.errors import SupplyError
from deploy.supply.licences import Bundled, Policy, conclude, judged

VERSION: Final = SchemaVersion.V1_6

_NAMESPACE: Final = uuid.UUID("b9a4a2cb-0e5a-5d3b-9a52-0e4a3d8f6c11")
_NIL: Final = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the environment itself: the archives it was installed from, and the licences that were read."""

    policy: Policy
    archives: Mapping[tuple[NormalizedName, str], Archive] = field(default_factory=dict)


def of_environment(environment: Path, known: Known) -> Bom:
    """The bill of a virtual environment that Tocsin is installed in, with Tocsin as its subject. Raises SupplyError."""
    bill, parts = _of_python(environment, known)
    root = _tocsin(parts)
    root.type = ComponentType.APPLICATION
    bill.metadata.component = root
    bill.components = (part for part in parts if part is not root)
    return bill


def of_image(root: Path, known: Known) -> Bom:
    """The bill of an image's root file system: Debian's packages, and each Python distribution besides. Raises SupplyError."""
    bill, parts = _of_python(root, known)
    product = _tocsin(parts)
    image = Component(type=ComponentType.CONTAINER, name=f"{ROOT_NAME}-image", version=product.version, bom_ref=f"{ROOT_NAME}-image")
    packages = debian_packages(root)
    bill.components = [*parts, *packages]
    bill.metadata.component = image
    bill.register_dependency(image, [product, *packages])
    for package in packages:
        bill.register_dependency(package)
    return bill


def _of_python(folder: Path, known: Known) -> tuple[Bom, list[Component]]:
    """A bill without its parts, and these: what they are hashed by changes here, so no set may hold them meanwhile."""
    folders = site_packages(folder)
    bill = installed(folders)
    parts, bill.components = list(bill.components), ()
    verdicts = {verdict.name: verdict for verdict in judged(parts, known.policy)}
    for part in parts:
        name = canonicalize_name(part.name)
        part.external_references = [
            each for each in part.external_references if not str(each.url).startswith("file:")
        ]  # the builder's own disk
        part.purl = part.purl or PackageURL("pypi", name=name, version=part.version)
        if name in verdicts:
            conclude(part, verdicts[name])
        _add_hash(part, known.archives)
        part.components = _brought_along(part, folders, known.policy.bundled)
    return bill, parts


def _tocsin(parts: Iterable[Component]) -> Component:
    for part in parts:
        if canonicalize_name(part.name) == ROOT_NAME:
            return part
    raise SupplyError(f"{ROOT_NAME} is not installed there: install its wheel, and look again")


def _add_hash(part: Component, archives: Mapping[tuple[NormalizedName, str], Archive]) -> None:
    archive = archives.get((canonicalize_name(part.name), part.version or ""))
    if archive is not None:
        part.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=archive.sha256))


def unhashed(bill: Bom) -> list[str]:
    """The Python distributions of which no archive was at hand, so that the bill names no hash of theirs."""
    parts = [*bill.components, *([bill.metadata.component] if bill.metadata.component else [])]
    return sorted(part.name for part in parts if part.purl is not None and part.purl.type == "pypi" and not part.hashes)


def _brought_along(part: Component, folders: Sequence[Path], bundled: Mapping[str, Bundled]) -> Iterable[Component]:
    """What the part's wheel brings along: the libraries in NAME.libs, and what its own bill names (PEP 770)."""
    stem = canonicalize_name(part.name).replace("-", "_")
    for folder in folders:
        for file in sorted(folder.glob(f"{stem}.libs/*.so*")):
            yield _library(part, file, bundled)
        own = [file for file in sorted(folder.glob("*.dist-info/sboms/*.json")) if _belongs(file, stem, part.version or "")]
        yield from _named_by(part, own)


def _belongs(file: Path, stem: str, version: str) -> bool:
    name, _, its_version = file.parents[1].name.removesuffix(".dist-info").rpartition("-")
    return canonicalize_name(name).replace("-", "_") == stem and its_version == version


def _library(part: Component, file: Path, bundled: Mapping[str, Bundled]) -> Component:
    row = known_library(file.name, bundled)
    version = _said_version(file, row)
    return Component(
        type=ComponentType.LIBRARY,
        name=file.name,
        version=version,
        bom_ref=f"{part.bom_ref.value}/{file.name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256(file))],
        licenses=[] if row is None else [LicenseExpression(row.licence, acknowledgement=LicenseAcknowledgement.CONCLUDED)],
        purl=PackageURL("generic", name=row.project, version=version) if row and row.project and version else None,
    )


def known_library(name: str, bundled: Mapping[str, Bundled]) -> Bundled | None:
    """The row of the library whose file has this name: the longest beginning that fits; None where there is none."""
    fitting = [beginning for beginning in bundled if name.startswith(beginning)]
    return bundled[max(fitting, key=len)] if fitting else None


def _said_version(file: Path, row: Bundled | None) -> str | None:
    if row is None or row.version is None:
        return None
    said = re.search(row.version.encode(), file.read_bytes())
    return None if said is None else said[1].decode()


def _named_by(part: Component, bills: Sequence[Path]) -> Iterable[Component]:
    named = {
        (each["name"], each.get("version"), each.get("purl"))
        for file in bills
        for each in json.loads(file.read_bytes()).get("components", [])
    }
    for name, version, purl in sorted(named, key=str):
        if canonicalize_name(name) != canonicalize_name(part.name):
            parsed = None if purl is None else PackageURL.from_string(purl)
            ref = f"{part.bom_ref.value}/{name}@{version}"
            yield Component(type=ComponentType.LIBRARY, name=name, version=version, purl=parsed, bom_ref=ref)


def written(bill: Bom, when: datetime) -> str:
    """The bill as JSON, made at this time (with time zone). Raises SupplyError where CycloneDX's schema refuses it."""
    bill.metadata.timestamp = when
    bill.serial_number = _NIL
    bill.serial_number = uuid.uuid5(_NAMESPACE, _json(bill))
    text = _json(bill)
    wrong = _validator().validate_str(text)
    if wrong is not None:
        raise SupplyError(f"the bill breaks CycloneDX's schema: {wrong}")
    return text + "\n"


@cache
def _validator() -> JsonStrictValidator:
    """CycloneDX's own, which takes seconds to make."""
    return JsonStrictValidator(VERSION)


def _json(bill: Bom) -> str:
    return make_outputter(bill, OutputFormat.JSON, VERSION).output_as_string(indent=1)


def read(file: Path) -> Mapping[str, Any]:
    """A bill in JSON. Raises SupplyError where the file is none."""
    try:
        bill = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SupplyError(f"{file} cannot be read as a bill of materials ({type(error).__name__})") from None
    if not isinstance(bill, dict) or bill.get("bomFormat") != "CycloneDX":
        raise SupplyError(f"{file} is no CycloneDX bill of materials in JSON")
    return bill
