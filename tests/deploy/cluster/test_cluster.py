"""What the run on a real API server finds is found here on objects of a few lines, so that a guard that sees nothing is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.deploy.cluster.objects import changes, lacking, pods, selects, too_long
from tests.deploy.cluster.references import dangling, kafka_triggers, shared
from tests.deploy.cluster.run import Outcome
from tests.deploy.cluster.tell import as_text

LABELS = {"app": "flags", "release": "one"}


def thing(kind: str, name: str, **spec: Any) -> Mapping[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": LABELS}, "spec": spec}


def workload(kind: str = "Deployment", name: str = "consume", **pod: Any) -> Mapping[str, Any]:
    container = {"name": "consume", "ports": [{"name": "metrics", "containerPort": 1}], **pod.pop("container", {})}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container], **pod}}
    return thing(kind, name, selector={"matchLabels": LABELS}, template=template)


@pytest.mark.parametrize(
    ("asked", "held"),
    [({"cpu": "0.5"}, {"cpu": "500m"}), ({"memory": "1024Mi"}, {"memory": "1Gi"}), ({"env": []}, {}), ({"a": 1}, {"a": 1, "b": 2})],
)
def test_what_the_server_writes_in_its_own_way_is_held(asked: Any, held: Any) -> None:
    assert list(lacking(asked, held)) == []


@pytest.mark.parametrize(("asked", "held"), [({"a": 1}, {}), ({"a": {"b": 1}}, {"a": {"b": 2}}), ({"a": [1]}, {"a": [1, 2]})])
def test_a_field_that_the_server_dropped_or_changed_is_named(asked: Any, held: Any) -> None:
    assert len(list(lacking(asked, held))) == 1


def test_a_change_is_named_by_its_path() -> None:
    before, after = {"spec": {"containers": [{"image": "a"}], "replicas": 1}}, {"spec": {"containers": [{"image": "b"}]}}
    assert list(changes(before, after)) == [".spec.containers[0].image", ".spec.replicas"]


def test_a_stateful_sets_pod_has_its_claims() -> None:
    claimed = workload("StatefulSet")
    claimed = {**claimed, "spec": {**claimed["spec"], "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}
    ((_, pod),) = pods([claimed])
    assert pod["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-consume-0"}}]


def test_a_selector_takes_what_it_says() -> None:
    one_of = {"matchLabels": {"app": "flags"}, "matchExpressions": [{"key": "release", "operator": "In", "values": ["one", "two"]}]}
    assert selects(one_of, LABELS)
    assert not selects(one_of, {"app": "flags", "release": "three"})


def test_a_stateful_sets_name_leaves_room_for_its_pods_labels() -> None:
    assert list(too_long([thing("StatefulSet", "a" * 52), thing("Service", "a" * 63)])) == []
    assert len(list(too_long([thing("StatefulSet", "a" * 53), thing("Service", "a" * 64)]))) == 2


@pytest.mark.parametrize(
    ("things", "found"),
    [
        ([workload(serviceAccountName="nobody")], "names ServiceAccount nobody"),
        ([workload(container={"envFrom": [{"configMapRef": {"name": "settings"}}]})], "names ConfigMap settings"),
        ([workload(volumes=[{"projected": {"sources": [{"secret": {"name": "token"}}]}}])], "names Secret token"),
        ([workload(container={"livenessProbe": {"httpGet": {"port": "health"}}})], "names port health"),
        ([workload(), thing("Service", "s", selector={"app": "other"})], "finds no pod"),
        ([workload(), thing("Service", "s", selector=LABELS, ports=[{"targetPort": "web"}])], "has a port web"),
        ([workload(), thing("PodDisruptionBudget", "p", selector={"matchLabels": {"app": "other"}})], "finds no pod"),
        ([workload(), thing("ScaledObject", "k", scaleTargetRef={"kind": "StatefulSet", "name": "consume"})], "names StatefulSet consume"),
    ],
)
def test_a_name_that_leads_nowhere_is_found(things: list[Mapping[str, Any]], found: str) -> None:
    (fault,) = dangling(things, {})
    assert found in fault


def test_what_the_values_name_is_the_sites_own() -> None:
    assert list(dangling([workload(volumes=[{"secret": {"secretName": "token"}}])], {"secrets": {"a": {"secret": "token"}}})) == []


def test_a_selector_that_takes_another_releases_pods_is_found() -> None:
    budget = thing("PodDisruptionBudget", "p", selector={"matchLabels": {"app": "flags"}})
    assert len(list(shared([budget], [workload()]))) == 1
    assert list(shared([thing("PodDisruptionBudget", "p", selector={"matchLabels": {"release": "two"}})], [workload()])) == []


def test_a_trigger_says_what_keda_reads_and_no_more() -> None:
    topic = {"name": "topic", "metadataVariableReadable": True}
    tls = {"name": "tls", "default": "disable", "allowedValue": ["enable", "disable"], "metadataVariableReadable": True}
    scalers = {"scalers": [{"type": "kafka", "parameters": [topic, tls]}]}

    def found(**metadata: str) -> list[str]:
        return list(kafka_triggers([thing("ScaledObject", "k", triggers=[{"type": "kafka", "metadata": metadata}])], scalers))

    assert found(topic="imaging") == []
    assert len(found(tls="on", lag="7")) == 3  # a value that is none, a parameter that is none, one that is missing


def test_the_table_says_each_fault_and_their_number() -> None:
    text = as_text([Outcome("minimal", "install", [], 1.0), Outcome("minimal", "uninstall", ["Secret a is left"], 1.0)])
    assert "  - Secret a is left" in text
    assert text.splitlines()[-1] == "ways 1 steps 2 faults 1 seconds 2"
