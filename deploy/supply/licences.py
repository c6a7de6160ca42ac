"""Which licences the product's parts are under, and whether each is one that licences.yaml allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from cyclonedx.model.component import Component
from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement, LicenseExpression
from license_expression import ExpressionError, Licensing, get_spdx_licensing
from packaging.utils import canonicalize_name

from deploy.supply.archives import ROOT_NAME, Pin

POLICY: Final = Path(__file__).with_name("licences.yaml")
LISTING: Final = Path(__file__).with_name("licences.md")

_SPDX: Final[Licensing] = get_spdx_licensing()


@dataclass(frozen=True, slots=True)
class Row:
    """What a person read in one package, and why it may be shipped."""

    declared: str
    licence: str
    why: str


@dataclass(frozen=True, slots=True)
class Bundled:
    """A library that a wheel brings along: its licence, and the pattern of the bytes in which it says its version, if it does."""

    licence: str
    project: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """licences.yaml."""

    allowed: frozenset[str]
    rows: Mapping[str, Row]
    bundled: Mapping[str, Bundled]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one part's licence. `problem` is None where it is allowed."""

    name: str
    version: str
    declared: str
    licence: str
    why: str
    problem: str | None = None


def policy(file: Path = POLICY) -> Policy:
    """The policy that the file holds."""
    said: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return Policy(
        frozenset(said["allowed"]),
        {name: Row(**row) for name, row in said["packages"].items()},
        {name: Bundled(**row) for name, row in said["bundled"].items()},
    )


def judged(parts: Iterable[Component], policy: Policy) -> list[Verdict]:
    """A verdict on each part but Tocsin itself, by name."""
    others = (part for part in parts if canonicalize_name(part.name) != ROOT_NAME)
    return sorted((_verdict(part, policy) for part in others), key=lambda verdict: verdict.name)


def declared(part: Component) -> str:
    """What the part's metadata says of its licence, joined by ` | `: in SPDX's words where it can, else in its own; or nothing."""
    spdx = {licence.value if isinstance(licence, LicenseExpression) else licence.id or "" for licence in part.licenses} - {""}
    own = {licence.name or "" for licence in part.licenses if isinstance(licence, DisjunctiveLicense)} - {""}
    return " | ".join(sorted(" ".join(text.split()) for text in spdx or own))


def _verdict(part: Component, policy: Policy) -> Verdict:
    name, said = canonicalize_name(part.name), declared(part)
    row = policy.rows.get(name)
    licence, why = (said, "") if row is None else (row.licence, row.why)
    return Verdict(name, part.version or "", said, licence, why, _problem(said, row, policy))


def _problem(said: str, row: Row | None, policy: Policy) -> str | None:
    if row is not None:
        return None if row.declared == said else f"its metadata now says {said!r} and not {row.declared!r}: read its licence again"
    if not said:
        return "its metadata names no licence: read its files and add a row"
    try:
        return (
            None
            if permitted(said, policy.allowed)
            else f"{said!r} is not allowed to every package: add a row with the reason, or do without"
        )
    except ExpressionError:
        return f"{said!r} is no SPDX expression: read its files and add a row"


def permitted(expression: str, allowed: frozenset[str]) -> bool:
    """Whether the SPDX expression can be met by allowed licences alone. Raises ExpressionError where it is none."""
    return _met(_SPDX.parse(expression, validate=True, strict=True), allowed)


def _met(node: Any, allowed: frozenset[str]) -> bool:
    parts = getattr(node, "args", ())
    if not parts:
        return str(node) in allowed
    return (any if node.operator.strip() == "OR" else all)(_met(part, allowed) for part in parts)


def stale(verdicts: Iterable[Verdict], policy: Policy) -> list[str]:
    """The policy's rows that no part needs."""
    return sorted(set(policy.rows) - {verdict.name for verdict in verdicts})


def conclude(part: Component, verdict: Verdict) -> None:
    """Have the part state the licence that was found; what its metadata declares stays where that is the same."""
    if verdict.why and not verdict.problem:
        part.licenses = [LicenseExpression(verdict.licence, acknowledgement=LicenseAcknowledgement.CONCLUDED)]
    elif len(part.licenses) > 1:
        part.licenses = [licence for licence in part.licenses if isinstance(licence, DisjunctiveLicense) and licence.id] or part.licenses


def listing(verdicts: Iterable[Verdict], locked: Iterable[Pin]) -> str:
    """The table of licences.md: each part of the product that the lock file pins."""
    pinned = {pin.name for pin in locked}
    rows = [f"| {each.name} | {each.version} | {each.licence} | {each.why} |" for each in verdicts if each.name in pinned]
    return "\n".join([_HEAD, *rows]) + "\n"


_HEAD: Final = """# Licences of what Tocsin is made of

Written by `python -m deploy.supply licences --write`; the reasons are in [licences.yaml](licences.yaml). Libraries that wheels bring along
are listed there, and with their hashes in the bill of materials.

| package | version | licence (SPDX) | what was read, and why it may be shipped |
|---|---|---|---|"""
