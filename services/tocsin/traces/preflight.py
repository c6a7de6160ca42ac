"""Checks whether the back end of traces is there, speaks the API that the settings claim, and lets Tocsin ask it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from tocsin.network import WebSettings, steps, web_way
from tocsin.settings import QueryApi, TracesSettings
from tocsin.telemetry.preflight import Check, check, warned
from tocsin.traces.ports import NoAnswer, TraceStore

PART: Final = "traces"
WHAT: Final = "query API"
TITLES: Final[Mapping[QueryApi, str]] = {"jaeger": "Jaeger", "zipkin": "Zipkin"}
SAID: Final = WebSettings("TOCSIN_TRACES__QUERY_URL", "TOCSIN_TRACES__TLS_CA_FILE", "back end")
"""Jaeger's query API listens on 16686, Zipkin's on 9411."""

_PROOF: Final = "set what it asks for: TOCSIN_TRACES__QUERY_BEARER_TOKEN or TOCSIN_TRACES__QUERY_HEADER, best with _FILE behind"
_RIGHTS: Final = {401: _PROOF, 403: f"let this client read traces there; else {_PROOF}"}
_NO_SPANS: Final = (
    "nothing to do before the first trace; else see whether `tocsin consume` has TOCSIN_OTLP__ENDPOINT, and whether the collector there "
    "hands spans on to this back end"
)


def traces_preflight(settings: TracesSettings, stores: Mapping[QueryApi, TraceStore | None], services: Collection[str]) -> Iterator[Check]:
    """Checks name, connection and TLS, then asks for the services that it knows; no check where no back end is configured.

    `stores` are adapters for the same address, one for each API; `services` the names under which Tocsin sends its spans.
    """
    if settings.query_url is None:
        return
    for found in steps(web_way(settings.query_url, PART, settings.tls_ca_file, settings.query_timeout_s, SAID)):
        yield found
        if not found.passed:
            return
    yield _asked(settings, stores, services)


def _asked(settings: TracesSettings, stores: Mapping[QueryApi, TraceStore | None], services: Collection[str]) -> Check:
    title = TITLES[settings.query_api]
    try:
        known = _services(stores[settings.query_api])
    except NoAnswer as why:
        return check(PART, WHAT, False, f"asked as {title}: {why}", _fix(settings.query_api, stores, why))
    ours = sorted(set(services) & {*known})
    if not ours:
        return warned(PART, WHAT, f"{title}, with spans of {len(known)} services; none is Tocsin's ({', '.join(services)})", _NO_SPANS)
    return check(PART, WHAT, True, f"{title}, with spans of {', '.join(ours)}", "")


def _services(store: TraceStore | None) -> list[str]:
    """The names of services that the store knows. Raises NoAnswer."""
    return [] if store is None else list(store.services())


def _fix(claimed: QueryApi, stores: Mapping[QueryApi, TraceStore | None], why: NoAnswer) -> str:
    if why.status in _RIGHTS:
        return _RIGHTS[why.status]
    spoken = next((api for api, store in stores.items() if api != claimed and _answers(store)), None)
    if spoken is not None:
        return f"set TOCSIN_TRACES__QUERY_API={spoken}: what answers there is {TITLES[spoken]}"
    return (
        f"set TOCSIN_TRACES__QUERY_URL to the base address of {TITLES[claimed]}'s query API, without /api, and see whether that is well; "
        "`tocsin trace` alone asks it, and tells what record and bus know where it does not answer"
    )


def _answers(store: TraceStore | None) -> bool:
    try:
        _services(store)
    except NoAnswer:
        return False
    return True
