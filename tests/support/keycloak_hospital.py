"""A hospital that logs its clinicians in by Keycloak: a realm by its admin REST API, and a FHIR server that takes its tokens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import urlencode

from tocsin.errors import Unavailable
from tocsin.settings.serve import SCOPES

from tests.fakes.page import CLINICIAN, COLLEAGUE
from tests.fakes.record import FakeRecord
from tests.support.keycloak import Keycloak
from tests.support.web import serving

Json = dict[str, Any]

REALM: Final = "hospital"
PASSWORD: Final = "a word that opens"
SECRET: Final = "the secret of a client: with a colon"
SERVER: Final = "fhir"
"""The client by which the FHIR server asks whether a token counts (RFC 7662)."""
SCOPES_THERE: Final = ("fhirUser", "launch/patient", *(each for each in SCOPES if "/" in each))
DEFAULT_SCOPES: Final = ("basic", "profile", "roles", "acr", "web-origins")
"""What Keycloak gives to a client that is made by hand: without `basic` tokens lack `sub`, and it knows them not again."""
TOKEN_LIFE_S: Final = 3600
TOKEN_LIFE_S_BY_DEFAULT: Final = 300
"""Keycloak's own."""
STAFF: Final[Mapping[str, Json]] = {
    "ada": {"attributes": {"fhirUser": [CLINICIAN]}, "realmRoles": ["derm"]},
    "ben": {"attributes": {"fhirUser": [COLLEAGUE], "locale": ["de"]}, "realmRoles": ["derm", "derm-lead"]},
    "porter": {"attributes": {"profile": [COLLEAGUE]}},
}
"""Whom the realm knows. The porter is no clinician; as their web page, which some realms have users write themselves, stands one."""


def mapper(kind: str, **config: str) -> Json:
    """A protocol mapper of Keycloak's own kinds."""
    return {"name": kind, "protocol": "openid-connect", "protocolMapper": kind, "config": {**config}}


def in_id_token(attribute: str) -> Json:
    """Puts the user's attribute into the id_token under its own name."""
    named = {"user.attribute": attribute, "claim.name": attribute, "jsonType.label": "String"}
    return mapper("oidc-usermodel-attribute-mapper", **named, **{"id.token.claim": "true"})


def patient_in_answer(id_: str) -> Json:
    """Puts the same patient into every token answer: Keycloak's own mappers can state there what is fixed, or a note of the log-in."""
    named = {"claim.name": "patient", "claim.value": id_, "jsonType.label": "String"}
    return mapper("oidc-hardcoded-claim-mapper", **named, **{"access.tokenResponse.claim": "true"})


def roles_in_id_token() -> Json:
    """Puts the user's roles into the id_token: Keycloak's usual mapper puts them into the access token alone."""
    named = {"claim.name": "realm_access.roles", "jsonType.label": "String", "multivalued": "true"}
    return mapper("oidc-usermodel-realm-role-mapper", **named, **{"id.token.claim": "true"})


def tokens_for(fhir: str) -> list[Json]:
    """Name the FHIR server as whom tokens are for, since Keycloak looks at no `aud` of a request; and the client by which that server asks
    whether they count, since Keycloak tells nobody else.
    """
    by = {"included.custom.audience": fhir, "included.client.audience": SERVER}
    usual = {"access.token.claim": "true", "introspection.token.claim": "true"}
    return [mapper("oidc-audience-mapper", **usual, **{key: value}) | {"name": key} for key, value in by.items()]


@dataclass
class Hospital:
    """The realm, and its FHIR server, which stands at one base address for each client."""

    keycloak: Keycloak
    record: FakeRecord
    origin: str = ""
    asked: list[str] = field(default_factory=list)
    """What it was asked for, as path and search."""

    def fhir(self, client: str) -> str:
        """The base address of the FHIR server for this client."""
        return f"{self.origin}/{client}"

    @property
    def log_in(self) -> str:
        """The address of Keycloak's log-in."""
        return f"{self.keycloak.origin}/realms/{REALM}/protocol/openid-connect/auth"

    def register(self, client: str, redirect_uris: Sequence[str], mappers: Sequence[Json] = (), **more: Any) -> None:
        """Make a client there, public unless told otherwise, whose redirect addresses and PKCE by S256 are enforced."""
        attributes = {"pkce.code.challenge.method": "S256", "access.token.lifespan": str(TOKEN_LIFE_S)}
        usual = {
            "clientId": client,
            "publicClient": True,
            "directAccessGrantsEnabled": False,
            "redirectUris": list(redirect_uris),
            "defaultClientScopes": list(DEFAULT_SCOPES),
            "optionalClientScopes": list(SCOPES_THERE),
            "protocolMappers": [*tokens_for(self.fhir(client)), *mappers],
            "attributes": {name: value for name, value in (attributes | more.pop("attributes", {})).items() if value is not None},
        }
        self.keycloak.ask("POST", f"/{REALM}/clients", usual | more)

    def log_out(self, user: str) -> None:
        """End every session of the user there, as an administrator does."""
        (found,) = self.keycloak.ask("GET", f"/{REALM}/users?{urlencode({'username': user, 'exact': 'true'})}")
        self.keycloak.ask("POST", f"/{REALM}/users/{found['id']}/logout")

    def counts(self, token: str, fhir: str) -> bool:
        """Whether Keycloak says that the token counts, and that it is for this server."""
        asked = {"token": token, "client_id": SERVER, "client_secret": SECRET}
        _, said = self.keycloak.form(f"/realms/{REALM}/protocol/openid-connect/token/introspect", asked)
        audience = said.get("aud", [])
        return said.get("active") is True and fhir in (audience if isinstance(audience, list) else [audience])


@contextmanager
def hospital(keycloak: Keycloak, record: FakeRecord) -> Iterator[Hospital]:
    """The hospital while the block lasts; its realm has no client for Tocsin yet."""
    _realm(keycloak)
    made, opened = Hospital(keycloak, record), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            client, _, path = self.path.lstrip("/").partition("/")
            made.asked.append(path)
            if path == ".well-known/smart-configuration":
                self._say(200, "application/json", json.dumps(_configuration(keycloak)).encode())
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if not made.counts(token, made.fhir(client)):
                self._say(401, "application/fhir+json", b'{"resourceType": "OperationOutcome"}')
                return
            try:
                with opened:
                    answer = record.answer(path)
            except Unavailable:
                self._say(503, "application/fhir+json", b'{"resourceType": "OperationOutcome"}')
            else:
                self._say(answer.status, answer.content_type or "", answer.body)

        def _say(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            """Requests are remembered, not printed."""

    with serving(Handler) as origin:
        made.origin = origin
        yield made


def _configuration(keycloak: Keycloak) -> Json:
    """What the FHIR server says of SMART: Keycloak's own document has the addresses, and is no SMART configuration."""
    said = keycloak.get(f"/realms/{REALM}/.well-known/openid-configuration")
    taken = ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "authorization_response_iss_parameter_supported")
    kept = {name: said[name] for name in taken}
    return kept | {"code_challenge_methods_supported": ["S256"], "capabilities": ["launch-standalone", "sso-openid-connect"]}


def _realm(keycloak: Keycloak) -> None:
    ask, base = keycloak.ask, f"/{REALM}"
    languages = {"internationalizationEnabled": True, "supportedLocales": ["en", "de"], "defaultLocale": "en"}
    ask("POST", "", {"realm": REALM, "enabled": True, "roles": {"realm": [{"name": "derm"}, {"name": "derm-lead"}]}, **languages})
    profile = ask("GET", f"{base}/users/profile")
    ask("PUT", f"{base}/users/profile", profile | {"unmanagedAttributePolicy": "ADMIN_EDIT"})
    for scope in SCOPES_THERE:
        mappers = [in_id_token("fhirUser")] if scope == "fhirUser" else []
        listed = {"include.in.token.scope": "true", "display.on.consent.screen": "false"}
        ask(
            "POST", f"{base}/client-scopes", {"name": scope, "protocol": "openid-connect", "attributes": listed, "protocolMappers": mappers}
        )
    server = {"clientId": SERVER, "publicClient": False, "secret": SECRET, "standardFlowEnabled": False}
    ask("POST", f"{base}/clients", server)
    known = {each["name"]: each for each in ask("GET", f"{base}/roles")}
    for name, more in STAFF.items():
        _user(keycloak, name, more["attributes"], [known[role] for role in more.get("realmRoles", ())])


def _user(keycloak: Keycloak, name: str, attributes: Json, roles: list[Json]) -> None:
    whole = {"firstName": name, "lastName": "Test", "email": f"{name}@example.org", "emailVerified": True}
    password = [{"type": "password", "value": PASSWORD, "temporary": False}]
    user = {"username": name, "enabled": True, "credentials": password, "attributes": attributes, **whole}
    keycloak.ask("POST", f"/{REALM}/users", user)
    (found,) = keycloak.ask("GET", f"/{REALM}/users?{urlencode({'username': name, 'exact': 'true'})}")
    if roles:
        keycloak.ask("POST", f"/{REALM}/users/{found['id']}/role-mappings/realm", roles)
