"""What the chart installs is as restricted as it can be, holds no secret, and stops as the processes stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from tocsin.environment import variables
from tocsin.kafka.client import REBALANCE_WAIT_S
from tocsin.settings import ServeSettings, Settings

from tests.deploy.chart.helm import CI, NAMESPACE, objects, rendered, template
from tests.deploy.chart.looks import HOOK, Pod, called, mounted, of_kind, pods, tocsins

WAYS: Final = pytest.mark.parametrize("way", CI)
VOLUMES: Final = {"configMap", "emptyDir", "persistentVolumeClaim", "projected"}
LEAVING_S: Final = 5.0
"""What `tocsin consume` takes at most to leave the bus."""


@WAYS
def test_every_pod_is_restricted_as_pod_security_asks(way: str) -> None:
    """Kubernetes, Pod Security Standards, "Restricted"."""
    assert {pod.owner: wrong for pod in pods(rendered(way)) if (wrong := list(_not_restricted(pod.spec)))} == {}


def _not_restricted(spec: Mapping[str, Any]) -> Iterator[str]:
    security = spec["securityContext"]
    if security["runAsNonRoot"] is not True or security.get("runAsUser") == 0:
        yield "may be root"
    if security["seccompProfile"] != {"type": "RuntimeDefault"}:
        yield "seccomp"
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))
    yield from (volume["name"] for volume in spec["volumes"] if (volume.keys() - {"name"}) - VOLUMES)
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        own = container["securityContext"]
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        if own != wanted or any("hostPort" in port for port in container.get("ports", ())):
            yield container["name"]


@WAYS
def test_no_pod_speaks_to_the_api_server_or_takes_variables_of_services(way: str) -> None:
    assert {pod.owner for pod in pods(rendered(way)) if pod.spec["automountServiceAccountToken"] or pod.spec["enableServiceLinks"]} == set()


@WAYS
def test_every_container_says_what_it_needs_and_the_most_memory_it_may_take(way: str) -> None:
    for pod in pods(rendered(way)):
        for container in (*pod.spec.get("initContainers", ()), *pod.spec["containers"]):
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}, pod.owner
            assert "memory" in resources["limits"], pod.owner
            assert "cpu" not in resources["limits"], pod.owner


@WAYS
def test_no_image_may_change_under_its_name(way: str) -> None:
    images = {c["image"] for pod in pods(rendered(way)) for c in (*pod.spec.get("initContainers", ()), *pod.spec["containers"])}
    assert images
    assert [image for image in images if not ("@sha256:" in image or ":" in image.rpartition("/")[2]) or image.endswith(":latest")] == []


@WAYS
def test_no_secret_stands_in_a_config_map_or_a_variable(way: str) -> None:
    assert of_kind(rendered(way), "Secret") == []
    known = variables(Settings)
    stated = {(name, value) for each in of_kind(rendered(way), "ConfigMap") for name, value in each["data"].items()}
    stated |= {(each["name"], each.get("value", "")) for pod in tocsins(rendered(way)) for each in pod.container.get("env", ())}
    secrets = {(name, value) for name, value in stated if name in known and known[name].secret and not known[name].of_file}
    assert {(name, value) for name, value in secrets if not name.endswith("URL") or "@" in value} == set()
    assert not any('"password":' in value or '"bearer_token":' in value for name, value in stated if name.startswith("TOCSIN_"))


@WAYS
def test_there_is_exactly_one_beat(way: str) -> None:
    (beat,) = [each for each in of_kind(rendered(way), "Deployment") if each["metadata"]["name"].endswith("-beat")]
    assert (beat["spec"]["replicas"], beat["spec"]["strategy"]) == (1, {"type": "Recreate"})


@WAYS
def test_a_consumer_has_the_time_to_end_what_it_began(way: str) -> None:
    settings = _settings(way)
    for pod in tocsins(rendered(way)):
        if pod.component in ("consume", "work"):
            drain_s = float(settings.get(f"TOCSIN_{pod.component.upper()}__DRAIN_TIMEOUT_S", "10"))
            commit_s = float(settings.get("TOCSIN_KAFKA__COMMIT_TIMEOUT_S", "5"))
            telemetry_s = float(settings.get("TOCSIN_OTLP__CLOSE_WAIT_S", "3"))
            assert pod.spec["terminationGracePeriodSeconds"] > REBALANCE_WAIT_S + drain_s + commit_s + LEAVING_S + telemetry_s


def test_the_pages_have_the_time_to_tell_balancers_and_to_end_what_they_began() -> None:
    (pod,) = (each for each in tocsins(rendered("everything")) if each.component == "serve")
    settings = ServeSettings()
    assert pod.spec["terminationGracePeriodSeconds"] > settings.linger_s + settings.drain_timeout_s + LEAVING_S


def test_the_pages_alone_have_the_ehrs_secret_and_are_reached_by_whom_the_values_name() -> None:
    made = rendered("everything")
    for file in ("serve/ehr", "serve/smart", "serve/clinic"):
        assert {pod.component for pod in tocsins(made) if file in mounted(pod)} == {"serve"}
    (policy,) = (each for each in of_kind(made, "NetworkPolicy") if each["metadata"]["name"] == "skin-serve")
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "pages"}]
    assert rule["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "ingress"}
    (ingress,) = of_kind(made, "Ingress")
    assert [each["host"] for each in ingress["spec"]["rules"]] == ["tocsin.example.org"]


def test_nothing_is_served_unless_it_is_asked_for() -> None:
    assert [called(each) for each in rendered("minimal") if called(each).endswith("-serve")] == []


@WAYS
def test_a_consumer_may_wait_for_the_bus_as_long_as_it_would_for_any_neighbour(way: str) -> None:
    budget_s = float(_settings(way).get("TOCSIN_CONSUME__OUTAGE_BUDGET_S", "3600"))
    (pod,) = (each for each in tocsins(rendered(way)) if each.component == "consume")
    probe = pod.container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= budget_s


@WAYS
def test_what_runs_for_long_is_asked_whether_it_lives_and_is_ready(way: str) -> None:
    for pod in tocsins(rendered(way)):
        if pod.component in ("consume", "work", "beat", "serve"):
            port, *others = pod.container["ports"]
            assert [each["name"] for each in others] == (["pages"] if pod.component == "serve" else [])
            assert port == {"name": "metrics", "containerPort": int(_settings(way).get("TOCSIN_METRICS__PORT", "9464"))}
            assert pod.container["livenessProbe"]["httpGet"] == {"path": "/live", "port": "metrics"}
            assert pod.container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "metrics"}


@WAYS
def test_the_checks_before_an_upgrade_have_the_settings_of_the_version_to_come(way: str) -> None:
    maps = {each["metadata"]["name"]: each for each in of_kind(rendered(way), "ConfigMap")}
    (copy,) = (each for name, each in maps.items() if name.endswith("-check-settings"))
    assert copy["data"] == _settings(way)
    hooks = [(each["kind"], when) for each in rendered(way) if (when := each["metadata"].get("annotations", {}).get(HOOK))]
    assert {kind for kind, when in hooks if "pre-install" in when} >= {"ConfigMap", "NetworkPolicy", "Job"}
    assert {when for _, when in hooks if "rollback" in when or "delete" in when} == set()


def test_the_check_waits_for_a_triton_that_comes_with_the_release() -> None:
    jobs = {called(each): each for each in rendered("keda-gpu")}
    (triton,) = jobs["Deployment/tocsin-triton"]["spec"]["template"]["spec"]["containers"]
    start_s = triton["startupProbe"]["periodSeconds"] * triton["startupProbe"]["failureThreshold"]
    assert jobs["Job/tocsin-check"]["spec"]["activeDeadlineSeconds"] >= start_s
    assert sum(10 * 2**number for number in range(jobs["Job/tocsin-check"]["spec"]["backoffLimit"])) >= start_s
    assert jobs["Job/tocsin-topics"]["spec"]["activeDeadlineSeconds"] < start_s


@WAYS
def test_a_pod_starts_anew_where_its_settings_are_others(way: str) -> None:
    (one,) = {
        pod.annotations["checksum/settings"] for pod in tocsins(rendered(way)) if pod.component in ("consume", "work", "beat", "serve")
    }
    others = {pod.annotations.get("checksum/settings") for other in CI if other != way for pod in tocsins(rendered(other))}
    assert one not in others


@WAYS
def test_every_pod_of_tocsins_is_under_a_network_policy(way: str) -> None:
    governed = {
        name
        for each in of_kind(rendered(way), "NetworkPolicy")
        for term in each["spec"]["podSelector"].get("matchExpressions", ())
        for name in term["values"]
    }
    assert {pod.component for pod in tocsins(rendered(way))} <= governed


def test_pods_reach_the_ports_of_the_addresses_that_the_settings_name() -> None:
    (policy,) = (each for each in of_kind(rendered("everything"), "NetworkPolicy") if each["metadata"]["name"] == "skin")
    ports = [sorted(str(port["port"]) for port in rule["ports"]) for rule in policy["spec"]["egress"][2:]]
    assert ports == [
        ["8443", "9443"],  # cds
        ["4318"],
        ["443", "8443"],  # ehr
        ["443"],
        ["9093", "9094"],
        ["587", "9444"],  # notify
        ["443"],
        ["3128", "3129"],  # proxies, that of cds among them
        ["6379"],
        ["443"],
        ["8001"],
    ]
    (to_people,) = (rule for rule in policy["spec"]["egress"] if {"protocol": "TCP", "port": 587} in rule["ports"])
    assert "to" not in to_people, "whom fhir's rule names are not whom messages go to"


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        ((), set()),
        (("settings.notify.smtp_host=mail.example.org",), {587}),
        (("settings.notify.smtp_host=mail.example.org", "settings.notify.smtp_port=2525"), {2525}),
        (("settings.notify.webhook_url=https://pager.example.org:9444/flags",), {9444}),
        (("settings.notify.webhook_url=https://pager.example.org/team:7/flags",), {443}),
        (("settings.cds.proxy_url=http://proxy.example.org:3128",), {3128}),
        (("networkPolicy.ports.notify={25}",), {25}),
    ],
)
def test_messages_about_unread_flags_and_the_proxy_to_callers_of_cds_hooks_get_through(values: tuple[str, ...], ports: set[int]) -> None:
    said = template("--values", str(CI["minimal"]), *(word for value in values for word in ("--set", value)))
    assert said.code == 0, said.complaint
    for policy in of_kind(objects(said.output), "NetworkPolicy"):
        reached = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        assert reached - {53, 5353, "metrics", 9092, 6379, 8001} == ports | {443}, called(policy)


@pytest.mark.parametrize(("group", "had"), [("null", None), ("10001", 10001), ("3000", 3000)])
def test_the_group_of_the_volume_of_reports_is_the_sites_and_none_where_the_cluster_chooses_one(group: str, had: int | None) -> None:
    values = ("runAsUser=null", f"work.reports.fsGroup={group}")
    said = template("--values", str(CI["everything"]), *(word for value in values for word in ("--set", value)))
    assert said.code == 0, said.complaint
    contexts = {pod.component: pod.spec["securityContext"] for pod in tocsins(objects(said.output))}
    assert contexts["work"].get("fsGroup") == had
    assert [name for each in contexts.values() for name in ("runAsUser", "runAsGroup") if name in each] == []
    assert [component for component, each in contexts.items() if "fsGroup" in each and component != "work"] == []


def test_a_drain_of_nodes_takes_one_pod_at_a_time() -> None:
    budgets = of_kind(rendered("minimal"), "PodDisruptionBudget")
    assert {called(each): each["spec"]["maxUnavailable"] for each in budgets} == {
        "PodDisruptionBudget/tocsin-consume": 1,
        "PodDisruptionBudget/tocsin-work": 1,
    }
    assert {each["spec"]["unhealthyPodEvictionPolicy"] for each in budgets} == {"AlwaysAllow"}


@WAYS
def test_every_container_may_write_to_tmp(way: str) -> None:
    for pod in pods(rendered(way)):
        for container in (*pod.spec.get("initContainers", ()), *pod.spec["containers"]):
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}, pod.owner


@WAYS
def test_an_autoscalers_number_of_replicas_is_nobody_elses(way: str) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(rendered(way), "ScaledObject", "HorizontalPodAutoscaler")}
    for each in of_kind(rendered(way), "StatefulSet", "Deployment"):
        assert ("replicas" in each["spec"]) is (each["metadata"]["name"] not in scaled)


def test_a_consumers_name_in_its_group_is_its_own_among_all_namespaces() -> None:
    (pod,) = (each for each in tocsins(rendered("minimal")) if each.component == "consume")
    own, name = pod.container["env"]
    assert own["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert (name["name"], name["value"]) == ("TOCSIN_KAFKA__GROUP_INSTANCE_ID", f"{NAMESPACE}.$({own['name']})")


def test_a_pod_that_is_replaced_has_half_a_minute_to_be_back_under_its_name() -> None:
    assert int(_settings("minimal")["TOCSIN_KAFKA__SESSION_TIMEOUT_MS"]) == 30_000


def _settings(way: str) -> dict[str, str]:
    (found,) = (each for each in of_kind(rendered(way), "ConfigMap") if each["metadata"]["name"] in ("tocsin-settings", "skin-settings"))
    return dict(found["data"])


def test_a_pod_that_is_not_restricted_would_be_found() -> None:
    pod: Pod = next(pods(rendered("minimal")))
    assert list(_not_restricted({**pod.spec, "hostNetwork": True})) == ["hostNetwork"]
