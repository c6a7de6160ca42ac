"""Certificates and brokers as hospitals have them: made anew for each test, and given as files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path
    both: Path
    """Key and certificate in one file, as Kafka wants them."""


class Authority:
    """A hospital's own authority."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def vouch_for(self, *names: str, expired: bool = False) -> Identity:
        """A certificate for these host names or addresses."""
        until = datetime.now(UTC) - timedelta(days=1) if expired else None
        since = datetime.now(UTC) - timedelta(days=30) if expired else None
        issued = self._authority.issue_cert(*names, not_after=until, not_before=since)
        mark = names[0].replace(".", "-") + ("-expired" if expired else "")
        certificate, key, both = (self._folder / f"{mark}-{kind}.pem" for kind in ("certificate", "key", "both"))
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        secret = load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )  # the one form that Kafka reads
        certificate.write_bytes(chain)
        key.write_bytes(secret)
        both.write_bytes(secret + chain)
        return Identity(certificate, key, both)
