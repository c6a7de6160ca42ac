"""Debian's packages below the root of an image, and the interpreter where it is none of them. Nothing there is run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from cyclonedx.model import Property
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from debian.deb822 import Deb822
from packageurl import PackageURL

from deploy.supply.errors import SupplyError

STATUS: Final = Path("var/lib/dpkg/status")
STATUS_PARTS: Final = Path("var/lib/dpkg/status.d")
"""Where images without a package manager keep one file for each package."""
SOURCE: Final = "tocsin:debian:source"
"""Name of the property that names a package's source: vulnerabilities are told of sources."""
SOURCE_VERSION: Final = "tocsin:debian:source-version"

_LICENCE: Final = re.compile(r"^License:[ \t]*([A-Za-z0-9.+-][^\n]{0,80})$", re.MULTILINE)


def debian_packages(root: Path) -> list[Component]:
    """Every package that dpkg holds for installed, and a Python below /usr/local. Raises SupplyError where there is no dpkg status."""
    release = _release(root)
    found = [_component(stanza, release, root) for stanza in _stanzas(root) if _is_installed(stanza)]
    if not found:
        raise SupplyError(f"no package of Debian's is installed below {root}: name the root of an unpacked image")
    return [*found, *_own_python(root)]


def _stanzas(root: Path) -> Iterator[Mapping[str, str]]:
    files = [root / STATUS, *sorted(file for file in (root / STATUS_PARTS).glob("*") if not file.name.endswith(".md5sums"))]
    for file in files:
        if file.is_file():
            with file.open("r", encoding="utf-8") as opened:
                yield from Deb822.iter_paragraphs(opened, use_apt_pkg=False)


def _is_installed(stanza: Mapping[str, str]) -> bool:
    return stanza.get("Status", "install ok installed").split()[-1] == "installed"


def _release(root: Path) -> str:
    """The release as in `debian-12`. Raises SupplyError where the root says none."""
    file = root / "etc/os-release"
    said = dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines() if "=" in line) if file.is_file() else {}
    if said.get("ID") != "debian" or "VERSION_ID" not in said:
        raise SupplyError(f"{root} is not the root of a Debian release: its etc/os-release does not say so")
    return f"debian-{said['VERSION_ID'].strip(chr(34))}"


def _component(stanza: Mapping[str, str], release: str, root: Path) -> Component:
    name, version = stanza["Package"], stanza["Version"]
    architecture = stanza.get("Architecture", "all")
    source, source_version = _source(stanza)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"debian/{name}:{architecture}={version}",
        purl=PackageURL("deb", "debian", name, version, {"arch": architecture, "distro": release}),
        licenses=[DisjunctiveLicense(name=licence) for licence in _licences(root, name)],
        properties=[Property(name=SOURCE, value=source), Property(name=SOURCE_VERSION, value=source_version)],
    )


def _source(stanza: Mapping[str, str]) -> tuple[str, str]:
    """The source's name and version; `Source: glibc (2.36-9)` says both, and without the field they are the package's."""
    name, _, version = stanza.get("Source", stanza["Package"]).partition(" ")
    return name, version.strip("()") or stanza["Version"]


def _licences(root: Path, name: str) -> Iterable[str]:
    """The short names in the package's copyright file, where that is machine-readable (DEP 5)."""
    file = root / "usr/share/doc" / name / "copyright"
    if not file.is_file():
        return ()
    return sorted({found.strip() for found in _LICENCE.findall(file.read_text("utf-8", errors="replace"))})


def _own_python(root: Path) -> Iterator[Component]:
    """A Python that no package of Debian's brought, as the usual Python images have it."""
    for header in sorted(root.glob("usr/local/include/python3*/patchlevel.h")):
        said = re.search(r'PY_VERSION\s+"([^"]+)"', header.read_text("utf-8"))
        version = None if said is None else said[1]
        purl = PackageURL("generic", name="python", version=version)
        yield Component(type=ComponentType.APPLICATION, name="python", version=version, purl=purl, bom_ref=f"usr/local/python={version}")
