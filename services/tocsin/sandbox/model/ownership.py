"""Tells a folder that a build wrote, and nobody has touched since, from any other: only such a one is overwritten.

A build leaves `built.yaml` in the folder, with the SHA-256 of every other file. What Python compiled of such a file when Triton served the
folder is nobody's change.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

from tocsin.sandbox.model.errors import FolderTaken

FILE: Final = "built.yaml"
NAMED_MAX: Final = 5
"""Most files named in one sentence."""
_HEAD: Final = "# Written by `tocsin model build`, which replaces this folder as long as it holds these files and no other, unchanged.\n"


def record(folder: Path, **facts: str) -> None:
    """Write `built.yaml` over all that the folder holds; `facts` say how it was built."""
    content = {"tocsin": version("tocsin"), **facts, "sha256": _hashes(folder)}
    (folder / FILE).write_text(_HEAD + yaml.safe_dump(content, sort_keys=False), "utf-8")


def refuse_what_is_not_ours(folder: Path) -> None:
    """Raises FolderTaken unless the folder is absent, or holds just what its `built.yaml` names. Raises OSError."""
    if not folder.is_symlink() and not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise FolderTaken(f"{folder} is no folder that was built here: name another folder, or move it away")
    built, found = _recorded(folder), _hashes(folder)
    strange = sorted(name for name, sha256 in found.items() if built.get(name) != sha256 and not _compiled(name, built))
    if strange:
        named = ", ".join(strange[:NAMED_MAX]) + (f" and {len(strange) - NAMED_MAX} more" if len(strange) > NAMED_MAX else "")
        raise FolderTaken(
            f"{folder} holds what no build wrote, or what was changed since: {named}. Nothing was overwritten: name another folder, or "
            "move this one away and carry your changes over"
        )


def _compiled(name: str, built: dict[str, Any]) -> bool:
    """Whether Python leaves a file of this name beside a source that the build wrote (PEP 3147)."""
    path = PurePosixPath(name)
    source = path.parent.parent / f"{path.name.partition('.')[0]}.py"
    return path.parent.name == "__pycache__" and path.suffix == ".pyc" and str(source) in built


def _recorded(folder: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load((folder / FILE).read_bytes())
        return dict(content["sha256"])
    except (FileNotFoundError, yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, ValueError):
        return {}


def _hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below the folder but `built.yaml`, by its path."""
    files = (path for path in sorted(folder.rglob("*")) if not path.is_dir() and path != folder / FILE)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
