"""Where a site switches Triton's own tracing on, its spans stand below ours."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import facts_tensor, image_tensor
from tocsin.inference.triton import TritonClassifier
from tocsin.model_card import ModelCard, read_card
from tocsin.sandbox import triton as server
from tocsin.sandbox.triton import Triton
from tocsin.settings import TritonSettings
from tocsin.telemetry.trace import root_span
from tritonclient.grpc import InferenceServerClient, InferInput

from tests.support.otlp import Collector, Span, collector
from tests.support.pictures import textured
from tests.support.spans import exported
from tests.support.stack import NOOP_MODEL, running
from tests.support.waiting import eventually

PIXELS = np.asarray(textured(300, 254))
OURS = "inference.GRPCInferenceService/ModelInfer"
MANY = 10
"""Requests of which Triton 2.51 surely traces one: it overlooks the trace of some (deploy/traces.md; 1 to 30 of 100 were seen)."""

MANUAL = Path(__file__).parents[2] / "deploy" / "traces.md"


@pytest.fixture(scope="module")
def collected() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture(scope="module")
def traced(collected: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A real Triton whose own tracing is on."""
    with running(lambda: server.start(NOOP_MODEL, tmp_path_factory.mktemp("traced"), traces=collected.endpoint)) as part:
        yield part


@pytest.fixture
def card(noop_card: Path) -> ModelCard:
    return read_card(noop_card)


def judged(triton: Triton, card: ModelCard, *, sampled: bool, times: int = 1) -> list[str]:
    """Judge pictures, each in a journey of its own whose producer traces it, or does not; gives the ids of their traces."""
    above = [SpanContext(secrets.randbits(128), secrets.randbits(64), True, TraceFlags(int(sampled))) for _ in range(times)]
    with closing(TritonClassifier(TritonSettings(grpc_url=triton.grpc_url), card)) as classifier:
        for each in above:
            with root_span("process imaging", SpanKind.CONSUMER, {}, parent=each):
                classifier.classify(image_tensor(PIXELS, card.image), PatientFacts())
    return [f"{each.trace_id:032x}" for each in above]


def inputs(card: ModelCard) -> list[InferInput]:
    """A picture and no facts, as the model takes them."""
    image, facts = image_tensor(PIXELS, card.image), facts_tensor(PatientFacts(), card.facts)
    made = []
    for name, datatype, values in ((card.image.name, card.image.datatype, image), (card.facts.name, "FP32", facts)):
        made.append(InferInput(name, [1, *values.shape], datatype))
        made[-1].set_data_from_numpy(values[np.newaxis])
    return made


def told(to: Collector, of: Sequence[str]) -> list[dict[str, Span]]:
    """Triton's spans of those of the traces of which it tells any, by their names, once the first of them are whole."""
    eventually(lambda: any(len(to.trace(each)) >= 3 for each in of), within_s=60, what="Triton's spans")
    return [{span.name: span for span in to.trace(each)} for each in of if len(to.trace(each)) >= 3]


def test_tritons_own_spans_stand_below_our_request_to_it(collected: Collector, traced: Triton, card: ModelCard) -> None:
    with exported() as spans:
        trace_ids = judged(traced, card, sampled=True, times=MANY)
    ours = {f"{each.context.span_id:016x}": f"{each.context.trace_id:032x}" for each in spans if each.context and each.name == OURS}
    assert len(ours) == MANY
    for theirs in told(collected, trace_ids):
        request, model, compute = theirs["InferRequest"], theirs[card.name], theirs["compute"]
        assert ours[request.parent_id] == request.trace_id
        assert (model.parent_id, compute.parent_id) == (request.span_id, model.span_id)
        assert len(theirs) == 3
        assert {(each.kind, each.resource["service.name"]) for each in theirs.values()} == {("SERVER", "triton-inference-server")}


def test_tritons_spans_say_which_model_answered_and_nothing_of_the_picture(collected: Collector, traced: Triton, card: ModelCard) -> None:
    for theirs in told(collected, judged(traced, card, sampled=True, times=MANY)):
        said = theirs[card.name].attributes
        assert (said["triton.model_name"], said["triton.model_version"]) == (card.name, int(card.version))
        assert {name for each in theirs.values() for name in each.attributes} == {
            *("triton.model_name", "triton.model_version", "triton.request_id", "triton.trace_id", "triton.trace_parent_id")
        }


def test_a_journey_that_is_not_sampled_leaves_no_spans_at_triton(collected: Collector, traced: Triton, card: ModelCard) -> None:
    before = {each.trace_id for each in collected.spans}
    judged(traced, card, sampled=False, times=MANY)
    after = judged(traced, card, sampled=True, times=MANY)
    told(collected, after)
    assert {each.trace_id for each in collected.spans} - before <= {*after}


def test_this_triton_traces_what_carries_a_trace_whether_that_is_sampled_or_not(
    collected: Collector, traced: Triton, card: ModelCard
) -> None:
    """Why it is not told of a trace that is not sampled. Should a later Triton heed the flag, this fails, and it may be told again."""
    unsampled = [secrets.token_hex(16) for _ in range(MANY)]
    with closing(InferenceServerClient(traced.grpc_url)) as client:
        for each in unsampled:
            client.infer(card.name, inputs(card), headers={"traceparent": f"00-{each}-{secrets.token_hex(8)}-00"})
    assert told(collected, unsampled)


def test_no_picture_waits_for_the_collector_of_tritons_spans(card: ModelCard, tmp_path: Path) -> None:
    with collector() as hanging, running(lambda: server.start(NOOP_MODEL, tmp_path, traces=hanging.endpoint)) as part:
        hanging.hangs = True
        judged(part, card, sampled=True, times=MANY)
        eventually(lambda: hanging.requests > 0, within_s=60, what="an export that hangs")
        judged(part, card, sampled=True, times=MANY)
        hanging.close()


def test_the_manual_names_the_flags_that_this_triton_takes() -> None:
    """Those with which every other test here starts it."""
    manual = MANUAL.read_text()
    assert [each for each in server.trace_flags("http://collector.example.org:4318/v1/traces")[:4] if f"    {each}\n" not in manual] == []
