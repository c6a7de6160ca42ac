"""Wheels and environments that are made up, so that no test needs a registry."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.supply.archives import sha256

PACKAGES: Final = "lib/python3.11/site-packages"
MIT: Final = "License-Expression: MIT"
DEBIAN: Final = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
STATUS: Final = """Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u10

Package: perl-base
Status: install ok installed
Architecture: amd64
Source: perl (5.36.0-7)
Version: 5.36.0-7+b1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def wheel(folder: Path, name: str, version: str, *metadata: str, files: Mapping[str, bytes] | None = None) -> Path:
    """A wheel in the folder, with these lines of metadata and these files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}-{version}-py3-none-any.whl"
    head = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *metadata])
    with zipfile.ZipFile(made, "w") as packed:
        for path, content in {f"{name}-{version}.dist-info/METADATA": head.encode() + b"\n\n", **(files or {})}.items():
            packed.writestr(zipfile.ZipInfo(path), content)
    return made


def install(environment: Path, *wheels: Path) -> None:
    """Unpack the wheels as an installer would."""
    for each in wheels:
        with zipfile.ZipFile(each) as packed:
            packed.extractall(environment / PACKAGES)


def lock(file: Path, *wheels: Path) -> Path:
    """A lock file that allows exactly these wheels."""
    pins = ([*each.name.split("-")[:2], sha256(each)] for each in wheels)
    file.write_text("".join(f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via tocsin\n" for name, version, digest in pins))
    return file


def image(root: Path, *wheels: Path) -> Path:
    """The root of an image: two of Debian's packages, and an environment below /opt."""
    for path, content in {
        "etc/os-release": DEBIAN,
        "var/lib/dpkg/status": STATUS,
        "usr/share/doc/libc6/copyright": "License: LGPL-2.1+\n",
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    install(root / "opt/tocsin", *wheels)
    return root
