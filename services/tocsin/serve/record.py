"""The record as one reader may see it: with their token, at the server that it is for."""

from __future__ import annotations

from pydantic import SecretStr

from tocsin.errors import ConfigurationError
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.serve.types import Session
from tocsin.settings import FhirSettings, ServeSettings


def issuers_http(settings: ServeSettings) -> Http:
    """The HTTP connections to issuers and their FHIR servers; shared, since what is sent over them carries its own token."""
    return Http(
        connect_timeout_s=min(3.0, settings.issuer_timeout_s),
        request_timeout_s=settings.issuer_timeout_s,
        proxy_url=settings.proxy_url,
        tls_ca_file=settings.tls_ca_file,
        group="SERVE",
    )


class ReadersRecord:
    """Adapter of RecordOf. Safe for threads; its connections outlive the clients that it gives."""

    def __init__(self, settings: ServeSettings, answer_bytes_max: int, http: Http) -> None:
        """`answer_bytes_max`: the largest answer of a FHIR server that is read, in bytes."""
        self._settings = settings
        self._answer_bytes_max = answer_bytes_max
        self._http = http

    def __call__(self, session: Session) -> FhirClient:
        """See RecordOf. Raises ConfigurationError where the session's issuer is no issuer of the settings (any more)."""
        return self.reading(session.issuer, session.token)

    def reading(self, issuer: str, token: SecretStr) -> FhirClient:
        """The same with a token by itself, as a CDS Hooks request brings one."""
        known = self._settings.issuers.get(issuer)
        if known is None:
            raise ConfigurationError("the session is of an issuer that TOCSIN_SERVE__ISSUERS does not name")
        return FhirClient(
            FhirSettings(
                base_url=issuer,
                also_known_as=known.also_known_as,
                bearer_token=token,
                answer_bytes_max=self._answer_bytes_max,
            ),
            self._http,
        )
