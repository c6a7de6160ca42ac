"""A real EHR's authorisation server for tests (node/ehr.mjs), and a `tocsin serve` that it may launch."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tocsin.settings.serve import SCOPES

from tests.support.node import HERE, peers

PATIENT: Final = "p1"
CLINICIAN: Final = "Practitioner/c1"
STOP_WITHIN_S: Final = 5.0

FHIR_SCOPES: Final = tuple(scope for scope in SCOPES if "/" in scope)
KNOWN_SCOPES: Final = ("openid", "fhirUser", "launch", "launch/patient", *FHIR_SCOPES)


@dataclass(frozen=True)
class Launch:
    """What one launch is about, and what the EHR does with it."""

    context: Mapping[str, Any] = field(default_factory=dict)
    """What its token response says besides."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    without: Sequence[str] = ()
    """Scopes that are not granted."""
    denied: bool = False


@dataclass(frozen=True)
class Ehr:
    """The running EHR."""

    origin: str

    @property
    def fhir(self) -> str:
        """Its FHIR base address."""
        return f"{self.origin}/fhir"


def public_client(redirect_uri: str, client_id: str = "tocsin", **more: Any) -> dict[str, Any]:
    """How a client is registered there."""
    usual = {
        "client_id": client_id,
        "redirect_uris": [redirect_uri],
        "token_endpoint_auth_method": "none",
        "scope": " ".join(KNOWN_SCOPES),
    }
    return usual | more


@contextmanager
def ehr(clients: Sequence[Mapping[str, Any]], launches: Mapping[str, Launch], behind: str | None = None) -> Iterator[Ehr]:
    """The EHR while the block lasts; its record is the FHIR server at `behind`, or has whatever resource it is asked for."""
    modules, config = peers(), {"clients": list(clients), "scopes": list(KNOWN_SCOPES), "behind": behind}
    config["launches"] = {value: vars(launch) for value, launch in launches.items()}
    with TemporaryDirectory(dir=modules) as folder:  # ES modules are looked for beside the script, and above it
        script = shutil.copy(HERE / "ehr.mjs", Path(folder))
        running = subprocess.Popen(
            ["node", script, json.dumps(config, default=list)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            origin = running.stdout.readline().strip()
            assert origin, running.stderr.read()
            yield Ehr(origin)
        finally:
            running.terminate()
            running.communicate(timeout=STOP_WITHIN_S)
