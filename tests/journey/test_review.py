"""From a picture to a clinician's verdict, on real parts: an EHR of another make, a real browser, each process as production runs it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page
from redis import Redis as Client
from tocsin.bootstrap.review import retry
from tocsin.clock import utc_now
from tocsin.environment import read
from tocsin.network import HOST, free_ports
from tocsin.sandbox.ehr import Chart
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis
from tocsin.sandbox.triton import Triton
from tocsin.settings import Settings

from tests.chaos.clinician import Clinician
from tests.chaos.evidence import Act
from tests.chaos.verdicts import judge_verdicts, open_verdicts
from tests.support.browser import visitor
from tests.support.cds_caller import ISS, call_json, ec_key, jwk, jwks
from tests.support.cds_caller import Ehr as Caller
from tests.support.cds_rules import response_problems
from tests.support.ehr import Ehr, Launch, ehr, public_client
from tests.support.house import CANARY, House, house
from tests.support.otlp import Collector, collector
from tests.support.proxy import Proxy, proxy
from tests.support.serve_process import Process, process
from tests.support.waiting import eventually
from tests.support.web import Reply

Json = dict[str, Any]

CASES = ("agreed", "printed", "two", "killed", "listed", "crowd")
"""Each test has a patient of its own, with one report."""
READERS = 20
BORN = "1970-06-01"
"""The day on which every patient of the house was born."""
KEYS_MAX = 5
"""Most key presses from a page to its verdict."""
ARM = {"coding": [{"system": "http://snomed.info/sct", "code": "40983000", "display": "Upper arm structure"}]}
TABS_MAX = 60
NOT_REVIEWED = "not yet reviewed by a clinician"
WAITS = "not yet in the record"


@dataclass
class Clinic:
    """A hospital whose EHR launches Tocsin."""

    house: House
    ehr: Ehr
    record: Proxy
    """Before the FHIR server, where Tocsin's own credential reaches it."""
    ids: dict[str, str]
    """Case -> id of its DiagnosticReport."""
    variables: dict[str, str]
    redis: str
    port: int
    collected: Collector
    """What `tocsin serve` sends of itself."""
    serve: Process | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    starts: int = 0
    urls: list[str] = field(default_factory=list)
    """Every address that a browser asked for."""

    @property
    def tocsin(self) -> str:
        return f"http://{HOST}:{self.port}"

    @contextmanager
    def retrying(self) -> Iterator[Callable[[], int]]:
        """Has `tocsin work` try what waits, as if the time for it had come; gives how many verdicts have an ending by that."""
        own = {name: value for name, value in self.variables.items() if name.startswith("TOCSIN_")}
        with retry(read(Settings, own).settings) as open_:
            yield lambda: open_.run(utc_now() + timedelta(minutes=2))

    def launch_url(self, launch: str) -> str:
        """The address that opens the report of this id, or what else a launch is about."""
        return f"{self.tocsin}/launch?iss={self.ehr.fhir}&launch={launch}"

    def start(self) -> None:
        """Start `tocsin serve`, again on the same port."""
        self.starts += 1
        again = process(self.redis, self.house.folder, port=self.port, name=f"serve-{self.starts}", more=self.variables)
        self.serve = self.stack.enter_context(again)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.serve is not None
        self.serve.child.kill()
        self.serve.child.wait(10)

    def report(self, case: str) -> Json:
        return self.house.record.fhir.read(f"DiagnosticReport/{self.ids[case]}", unknown=LookupError)

    def told(self, case: str) -> list[Json]:
        """What the bus says of the report's verdicts, in order."""
        said = map(json.loads, self.house.bus.values(self.house.bus.settings.topic_verdicts))
        return [each for each in said if each["report"] == f"DiagnosticReport/{self.ids[case]}"]

    def verifiers(self, case: str) -> list[Json]:
        """The Provenance of each verdict on the report."""
        found = self.house.record.search(f"Provenance?target=DiagnosticReport/{self.ids[case]}")
        return [each for each in found if each["agent"][0]["type"]["coding"][0]["code"] == "verifier"]

    @contextmanager
    def reader(self, browser: Browser, launch: str, more: str = "") -> Iterator[Page]:
        """A clinician's browser, launched from the EHR."""
        with visitor(browser) as page:
            page.on("request", lambda request: self.urls.append(request.url))
            page.goto(f"{self.launch_url(launch)}{more}")
            yield page


@pytest.fixture(scope="module")
def clinic(
    kafka: Kafka, fhir_server: Fhir, triton: Triton, noop_card: Path, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clinic]:
    folder, (port,) = tmp_path_factory.mktemp("review"), free_ports(1)
    direct = fhir_server.base_url
    made = house(kafka=kafka.bootstrap_servers, fhir=direct, triton=triton.grpc_url, card=noop_card, folder=folder)
    for name in ("c1", "c2"):
        made.record.fhir.put({"resourceType": "Practitioner", "id": name, "active": True, "name": [{"text": f"Dr. {name}"}]})
    for case in CASES:
        subject = made.record.patient(f"review-{case}")
        made.bus.announce(made.record.media(f"review-{case}", subject, bodySite=ARM), subject)
    with made.consuming():
        eventually(lambda: len(made.bus.flags()) == len(CASES), within_s=60, what="a flag for each picture")
    ids = {each.media.removeprefix("Media/review-"): each.report.partition("/")[2] for each in made.bus.flags()}
    with (
        proxy(direct) as record,
        ehr([public_client(f"http://{HOST}:{port}/callback")], launches(ids), direct) as running,
        collector() as collected,
    ):
        (folder / "jwks.json").write_bytes(jwks(jwk(ec_key(), "k1")))
        issuer = {"client_id": "tocsin", "also_known_as": [direct]}
        variables = {name: value for name, value in made.variables.items() if not name.startswith(("TOCSIN_METRICS__", "PATH"))} | {
            "TOCSIN_FHIR__BASE_URL": record.base_url,
            "TOCSIN_FHIR__ALSO_KNOWN_AS": json.dumps([direct, running.fhir]),
            "TOCSIN_SERVE__ISSUERS": json.dumps({running.fhir: issuer}),
            "TOCSIN_CDS__ISSUERS": json.dumps({ISS: {"jwks_file": str(folder / "jwks.json"), "fhir_base_url": running.fhir}}),
            "TOCSIN_CDS__SHOWN": json.dumps(["flagged", "not-assessable", "not-flagged"]),
            "TOCSIN_CDS__ANSWER_WITHIN_S": "10",
            "TOCSIN_LOG__LEVEL": "debug",
            "TOCSIN_OTLP__ENDPOINT": collected.endpoint,
            "TOCSIN_OTLP__SIGNALS": '["traces","metrics","logs"]',
            "TOCSIN_OTLP__EVERY_S": "0.2",
            "TOCSIN_OTLP__METRICS_EVERY_S": "1",
            "TOCSIN_TRACES__RATIO": "1",
        }
        site = Clinic(made, running, record, ids, variables, redis_server.url, port, collected)
        with site.stack:
            site.start()
            yield site
    made.bus.close()


def launches(ids: dict[str, str]) -> dict[str, Launch]:
    """One from the chart of each case, by either clinician; and one as a card's link makes it."""
    found: dict[str, Launch] = {}
    for case, id_ in ids.items():
        chart = {"patient": f"review-{case}", "fhirContext": [{"reference": f"DiagnosticReport/{id_}"}]}
        found[case] = found[id_] = Launch(chart)
        found[f"{case}-second"] = Launch(chart, claims={"fhirUser": "Practitioner/c2"})
        found["no-chart"] = Launch({}, claims={"fhirUser": "Practitioner/c2"})
        found[f"{case}-card"] = Launch({"patient": f"review-{case}", "appContext": json.dumps({"report": id_}, separators=(",", ":"))})
    return found


def press(page: Page, *keys: str) -> int:
    """Press these keys; gives how many."""
    for key in keys:
        page.keyboard.press(key)
    return len(keys)


def agree(page: Page) -> None:
    """By keyboard alone, from the page as it opens to the page that says what became of it."""
    before = page.url
    assert press(page, "a", "Enter") <= KEYS_MAX
    page.wait_for_url(lambda url: url != before)


def said(page: Page) -> str:
    return page.locator("main").inner_text()


def test_a_picture_becomes_a_flag_that_a_clinician_agrees_with_by_keyboard_alone_and_takes_back(clinic: Clinic, browser: Browser) -> None:
    made = clinic.report("agreed")
    assert made["status"] == "preliminary"
    with clinic.reader(browser, "agreed") as page:
        assert urlsplit(page.url).path == f"/reports/{clinic.ids['agreed']}"
        assert CANARY in page.locator(".patient").inner_text()
        assert NOT_REVIEWED in said(page)
        assert "Upper arm" in page.locator(".where").first.inner_text()
        assert page.locator("h2.band").inner_text().split()
        page.wait_for_function("document.querySelector('.stage img').naturalWidth > 0")
        (flag,) = [each for each in clinic.house.bus.flags() if each.report == f"DiagnosticReport/{made['id']}"]
        cut = f"{flag.probability:.9f}"[: len("0.000")]  # the page never rounds up
        assert f"score {cut}" in page.locator(".score").inner_text()
        agree(page)
        assert "Your verdict is in the record." in said(page)
        assert NOT_REVIEWED not in said(page)
        assert clinic.report("agreed")["status"] == "final"
        (verifier,) = clinic.verifiers("agreed")
        assert verifier["agent"][0]["who"] == {"reference": "Practitioner/c1"}
        assert clinic.house.record.search(f"AuditEvent?entity=DiagnosticReport/{made['id']}")
        assert [each["kind"] for each in clinic.told("agreed")] == ["verdict", "standing"]
        flags = [each for each in clinic.house.bus.flags() if each.report == flag.report]
        assert [each.status for each in flags] == ["preliminary", "final"]
        page.get_by_role("button", name="Take back my verdict").press("Enter")
        page.wait_for_function(f"document.querySelector('main').innerText.includes('{NOT_REVIEWED}')")
    again = clinic.report("agreed")
    assert (again["status"], again["conclusion"]) == ("preliminary", made["conclusion"])
    assert "resultsInterpreter" not in again


def test_the_same_report_is_a_document_and_a_card_and_is_shown_in_no_other_chart(clinic: Clinic, browser: Browser) -> None:
    id_ = clinic.ids["printed"]
    search = "DiagnosticReport?patient=review-printed&identifier=urn:tocsin:report%7C&_count=200"
    found = clinic.house.record.fhir.get(search)
    address = f"{clinic.tocsin}/cds-services/tocsin-flags"
    room = {"org.example.room": "x" * 400_000}  # a call is larger than a form may be
    call = call_json(patient="review-printed", prefetch={"reports": json.loads(found.body)}, extension=room)
    with clinic.reader(browser, "printed") as page:
        pdf = page.request.get(f"{clinic.tocsin}/reports/{id_}.pdf")
        assert (pdf.status, pdf.body()[:5]) == (200, b"%PDF-")
        assert NOT_REVIEWED in page.request.get(f"{clinic.tocsin}/reports/{id_}.txt").text()
        answer = page.request.post(address, data=call, headers=Caller(time.time()).bearer(address))
        assert (answer.status, response_problems(answer.json())) == (200, [])
        (card,) = answer.json()["cards"]
    (link,) = card["links"]
    assert (link["type"], json.loads(link["appContext"])) == ("smart", {"report": id_})
    launch, asked = link["url"].partition("?")[::2]
    assert (launch, parse_qs(asked)) == (f"{clinic.tocsin}/launch", {"report": [id_]})
    with clinic.reader(browser, "printed-card", f"&{asked}") as page:
        assert urlsplit(page.url).path == f"/reports/{id_}"
        assert NOT_REVIEWED in said(page)
    with clinic.reader(browser, "two") as page:
        for path, status in ((id_, 409), (f"{id_}/picture", 409), (f"{id_}.pdf", 409), (f"{id_}.txt", 409)):
            other = page.request.get(f"{clinic.tocsin}/reports/{path}")
            shown = any(word in other.text() for word in (CANARY, "score", "JFIF"))
            assert (other.status, shown) == (status, False)


def tab_to(page: Page, address: str) -> None:
    """Press Tab until the link to this path of ours has the focus."""
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == address:
            return
    raise AssertionError(f"no Tab leads to {address}")


def test_from_the_log_in_to_the_worklist_to_a_verdict_and_back_by_keyboard_alone(clinic: Clinic, browser: Browser) -> None:
    report = f"/reports/{clinic.ids['listed']}"
    with clinic.reader(browser, "no-chart") as page:
        assert urlsplit(page.url).path == "/worklist"
        row = page.locator(".row", has=page.locator(f"a[href='{report}']"))
        assert "Upper arm" in row.inner_text()
        assert CANARY in row.inner_text()
        tab_to(page, report)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{report}")
        agree(page)
        assert "Your verdict is in the record." in said(page)
        tab_to(page, "/worklist")
        page.keyboard.press("Enter")
        page.wait_for_url("**/worklist")
        eventually(lambda: page.reload() is not None and row.count() == 0, within_s=20, what="a list without what was answered")
        assert page.get_by_role("button", name="Log off").is_visible()
    (verifier,) = clinic.verifiers("listed")
    assert verifier["agent"][0]["who"] == {"reference": "Practitioner/c2"}


def test_of_two_clinicians_at_once_the_second_is_told_and_decides_again(clinic: Clinic, browser: Browser) -> None:
    with clinic.reader(browser, "two") as first, clinic.reader(browser, "two-second") as second:
        agree(first)
        agree(second)
        assert "was not recorded" in said(second)
        assert [each["agent"][0]["who"]["reference"] for each in clinic.verifiers("two")] == ["Practitioner/c1"]
        second.get_by_label("Disagree").check()
        second.get_by_label("Reason").first.select_option(index=1)
        second.get_by_role("button", name="Record my verdict").press("Enter")
        second.wait_for_function("document.querySelector('main').innerText.includes('Your verdict is in the record.')")
    assert {each["agent"][0]["who"]["reference"] for each in clinic.verifiers("two")} == {"Practitioner/c1", "Practitioner/c2"}


def test_of_many_readers_at_once_each_verdict_is_in_the_record_once_or_was_overtaken(clinic: Clinic) -> None:
    report = f"DiagnosticReport/{clinic.ids['crowd']}"
    people = [Clinician(clinic, list, Random(f"reader {number}"), threading.Event()) for number in range(READERS)]
    with ThreadPoolExecutor(READERS) as readers:
        list(readers.map(lambda each: each.act(Chart(report, "Patient/review-crowd", "")), people))
    given = [each for person in people for each in person.given]
    assert len(given) == READERS
    with clinic.retrying() as retries:  # on a busy machine the time for a try is over before its turn comes
        eventually(lambda: retries() >= 0 and open_verdicts(clinic.told("crowd")) == 0, within_s=60, what="a word on each verdict")
    acts = [Act(report, each["activity"]["coding"][0]["code"], each["occurredDateTime"]) for each in clinic.verifiers("crowd")]
    found = judge_verdicts(given, clinic.told("crowd"), acts, {})
    assert (found.lost, found.doubled) == ((), ())
    assert found.recorded + found.states.get("overtaken", 0) == READERS
    assert 1 <= found.recorded == len(acts)


def test_a_verdict_whose_server_dies_before_the_record_has_it_goes_in_once(clinic: Clinic, browser: Browser) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hang(method: str, _path: str) -> Reply | None:
        if method != "POST":
            return None
        reached.set()
        go_on.wait(20)
        return Reply(503)

    with clinic.reader(browser, "killed") as page:
        clinic.record.trouble = hang
        press(page, "a", "Enter")
        assert reached.wait(20), "the record is asked"
        clinic.kill()
        go_on.set()
        clinic.record.trouble = lambda _method, _path: None
        clinic.start()
        page.goto(f"{clinic.tocsin}/reports/{clinic.ids['killed']}")
        assert WAITS in said(page)
        assert NOT_REVIEWED in said(page)
        assert [each["kind"] for each in clinic.told("killed")] == ["verdict"]
        with clinic.retrying() as retries:
            assert (retries(), retries()) == (1, 0)
        assert (clinic.report("killed")["status"], len(clinic.verifiers("killed"))) == ("final", 1)
        eventually(lambda: page.reload() is not None and WAITS not in said(page), what="a page without the notice")


def test_no_name_of_a_patient_is_anywhere_but_on_the_pages_and_in_the_record(clinic: Clinic, browser: Browser) -> None:
    with clinic.reader(browser, "agreed") as page:
        assert CANARY in page.content()
        for path in (
            f"reports/{CANARY}",
            f"worklist?site={CANARY}",
            f"reports/{clinic.ids['agreed']}/earlier/{CANARY}",
            f"launch?iss={CANARY}",
        ):
            page.request.get(f"{clinic.tocsin}/{path}")
        store = Client.from_url(clinic.redis)
        kept = repr([(key, store.dump(key)) for key in store.scan_iter()])
    assert kept
    topics = [name for name_, name in clinic.house.bus.settings if name_.startswith("topic_")]
    bus = repr([clinic.house.bus.records(topic) for topic in topics])
    logs = "".join(each.read_text() for each in clinic.house.folder.glob("*.log"))
    assert "serve" in repr(list(clinic.house.folder.glob("*.log")))
    assert clinic.serve is not None
    with urlopen(f"{clinic.serve.health}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    assert "tocsin_launches_total" in metrics
    spans, points, lines = str(clinic.collected.spans), str(clinic.collected.points), str(clinic.collected.lines)
    assert "/reports/" in spans
    assert "tocsin" in points
    assert lines != "[]"
    for where in (kept, bus, logs, repr(clinic.urls), metrics, spans, points, lines):
        for word in (CANARY, CANARY.lower(), BORN, BORN.replace("-", "")):
            assert word not in where
