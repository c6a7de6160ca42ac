"""A real FHIR server that answers as other servers do: each of their ways is one entry of QUIRKS."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

import orjson

from tests.support.manners import pictures, reads, transport, writes
from tests.support.manners.basis import Here, Manner, json_of, outcome, posts
from tests.support.relay import Ask, Request, relay, server_at
from tests.support.web import Reply


@dataclass(frozen=True)
class Quirk:
    """One way in which servers differ from the one that the tests start."""

    what: str
    """And whose way it is, where that is known."""
    manner: Manner
    serves: bool = True
    """Whether events end with it as ever; else they all wait, are refused, or stop the process: which `tocsin check` says before."""
    written_by_others: bool = False
    """Whether each new report looks as if another process had written it meanwhile, so that only the next attempt finds it written."""


QUIRKS: Final[dict[str, Quirk]] = {
    "binary-in-a-store": Quirk("A Binary is answered with 302 to a signed address of a store", pictures.binary_in_a_store),
    "binary-wants-a-fhir-type": Quirk("A Binary is 406 unless Accept names a FHIR type", pictures.binary_wants_a_fhir_type),
    "binary-as-fhir-alone": Quirk("A Binary comes wrapped in JSON whatever is asked for", pictures.binary_as_fhir_alone),
    "binary-under-another-type": Quirk("A Binary's bytes come as application/octet-stream", pictures.binary_under_another_type),
    "data-in-its-own-storage": Quirk(
        "content.data is moved out and an extension stays (HAPI's binary storage)", pictures.data_in_its_own_storage
    ),
    "if-match-required-400": Quirk("An update without If-Match is 400 (versioned-update)", writes.if_match_is_required(400)),
    "if-match-required-412": Quirk("An update without If-Match is 412 (versioned-update, FHIR R4)", writes.if_match_is_required(412)),
    "if-match-required-428": Quirk("An update without If-Match is 428 (RFC 6585)", writes.if_match_is_required(428)),
    "if-match-ignored": Quirk("An update is taken whatever version it names (FirelyTeam/spark 714)", writes.if_match_is_ignored),
    "references-with-versions": Quirk(
        "References read back name a version (HAPI, auto_version_reference_at_paths)",
        reads.references(lambda text, _here: f"{text}/_history/1"),
    ),
    "references-in-full": Quirk("References read back are absolute", reads.references(lambda text, here: f"{here.base_url}/{text}")),
    **{
        f"base-wants-its-slash-{status}": Quirk(
            f"POST [base] is answered with {status} to [base]/", transport.base_wants_its_slash(status), serves=False
        )
        for status in (301, 302, 307, 308)
    },
    "reports-not-searched-by-media": Quirk(
        "DiagnosticReport cannot be searched by media",
        transport.refused(lambda request, here: reads.searches(request, here, "media")),
        serves=False,
    ),
    "transactions-refused": Quirk("Transactions are 403 though the statement offers them", transport.refused(posts, 403), serves=False),
    "transactions-not-offered": Quirk("Transactions are 405", transport.refused(posts, 405), serves=False),
    "ids-of-clients-refused": Quirk(
        "PUT of what does not stand is 405 (no update as create)",
        lambda request, ask, here: outcome(405, "not-supported") if writes.creates(request, ask, here) else ask(request),
        serves=False,
    ),
    "reads-lead-to-a-login": Quirk(
        "Whatever is no statement is answered with 302 to a login page",
        lambda request, ask, here: (
            ask(request) if here.rest(request) == "metadata" else Reply(302, b"", {"Location": "https://login.example.org/"})
        ),
        serves=False,
    ),
    "patients-refused": Quirk(
        "Patients may not be read", transport.refused(lambda request, here: here.rest(request).startswith("Patient/"), 403), serves=False
    ),
    "known-by-another-address": Quirk(
        "References are absolute, below an address that Tocsin is not given",
        reads.references(lambda text, _here: f"https://fhir.hospital.example.org/r4/{text}"),
        serves=False,
    ),
    "sort-refused": Quirk("A search with _sort is 400", reads.parameter_is_refused("_sort")),
    "sort-ignored": Quirk("_sort changes nothing", reads.parameter_is_ignored("_sort")),
    "sorts-the-other-way": Quirk("What is to come first comes last", reads.sorted_the_other_way),
    "elements-refused": Quirk("_elements is 400", reads.parameter_is_refused("_elements")),
    "elements-ignored": Quirk("_elements changes nothing", reads.parameter_is_ignored("_elements")),
    "gzip": Quirk("Answers are gzip though nobody asked", transport.compressed("gzip", gzip.compress)),
    "x-gzip": Quirk("gzip under the old name that RFC 9110 keeps", transport.compressed("x-gzip", gzip.compress)),
    "deflate": Quirk("Answers are deflate though nobody asked", transport.compressed("deflate", zlib.compress)),
    "deflate-raw": Quirk("deflate without its zlib wrapper", transport.compressed("deflate", transport.raw_deflate)),
    "brotli": Quirk("Answers are br though nobody asked", transport.compressed("br", transport.stored_brotli)),
    "absent-without-an-outcome": Quirk("404 and 410 have no OperationOutcome", reads.absent_without_an_outcome, serves=False),
    "entries-say-their-status-alone": Quirk(
        "A transaction's answer has neither location, etag nor outcome",
        writes.entry_responses(lambda response, _here: {"status": str(response["status"])[:3]}),
    ),
    "entries-say-their-place-in-full": Quirk(
        "A transaction's answer has absolute locations",
        writes.entry_responses(lambda response, here: response | {"location": f"{here.base_url}/{response.get('location', '')}"}),
    ),
    "entries-say-200-for-created": Quirk(
        "A transaction says 200 for what it created",
        writes.entry_responses(lambda response, _here: response | {"status": "200 OK"}),
        written_by_others=True,
    ),
    "transactions-say-nothing": Quirk("A transaction is answered without a body", writes.transactions_are_answered(b"")),
    "transactions-say-an-outcome": Quirk(
        "A transaction is answered with an OperationOutcome (return=OperationOutcome by default)",
        writes.transactions_are_answered(
            orjson.dumps({"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]})
        ),
    ),
    "transactions-say-no-entries": Quirk(
        "A transaction is answered with a Bundle without entries (return=minimal)",
        writes.transactions_are_answered(orjson.dumps({"resourceType": "Bundle", "type": "transaction-response"})),
    ),
    "answers-of-one": Quirk("A search answers with one resource at a time", reads.answers_hold_at_most(1)),
    "says-little-of-writes": Quirk("An update is answered without a body (return=minimal by default)", writes.says_little_of_writes),
    "opaque-versions": Quirk("Version ids are words, ETags strong", reads.opaque_versions),
    "versions-in-the-etag-alone": Quirk("meta has no versionId", reads.versions_in_the_etag_alone),
    "search-adds-an-outcome": Quirk("A search's answer holds an OperationOutcome too", reads.search_adds_an_outcome),
    "closes-each-connection": Quirk("Connections are not kept", transport.closes_each_connection),
    "byte-order-mark": Quirk("JSON begins with a byte order mark", transport.marks_the_byte_order),
    "types-with-parameters": Quirk("Content types have parameters and capitals", transport.types_with_parameters),
    "lower-case-headers": Quirk("Header names are in lower case", transport.lower_case_headers),
}


@dataclass
class OtherServer:
    """A real server that answers in its own way, which may be changed at any time."""

    base_url: str = ""
    store: str = ""
    """scheme://host:port of the store that it may send clients to."""
    quirks: tuple[str, ...] = ()
    """Names of QUIRKS, the outermost first."""


@contextmanager
def other_server(base_url: str, *quirks: str) -> Iterator[OtherServer]:
    """Stands before the server with this base address until the block ends."""
    parts, standing = urlsplit(base_url), OtherServer(quirks=quirks)
    ask = server_at(parts.netloc)

    def answer(request: Request) -> Reply:
        here = Here(standing.base_url, standing.store)
        return _in_their_manner((QUIRKS[name].manner for name in reversed(standing.quirks)), _as(here, ask, base_url), here)(request)

    def stored(request: Request) -> Reply:
        if request.header("Authorization") or "Signature" not in request.path:
            return Reply(400, b"<Error>Only one auth mechanism allowed</Error>")  # as S3 answers
        return ask(Request("GET", f"{parts.path}{request.path.partition('?')[0]}", {"Accept": "image/jpeg, image/png"}))

    with ExitStack() as stack:
        standing.store = stack.enter_context(relay(stored))
        standing.base_url = stack.enter_context(relay(answer)) + parts.path
        yield standing


def _in_their_manner(manners: Iterable[Manner], ask: Ask, here: Here) -> Ask:
    for manner in manners:
        ask = _after(manner, ask, here)
    return ask


def _after(manner: Manner, ask: Ask, here: Here) -> Ask:
    return lambda request: manner(request, ask, here)


def _as(here: Here, ask: Ask, base_url: str) -> Ask:
    """The server knows itself by the gateway's address: its own links lead there, and references that are written to it may too."""

    def asked(request: Request) -> Reply:
        reply = ask(replace(request, body=request.body.replace(f'"{here.base_url}/'.encode(), b'"')))
        return replace(reply, body=reply.body.replace(f"{base_url}/".encode(), f"{here.base_url}/".encode())) if json_of(reply) else reply

    return asked
