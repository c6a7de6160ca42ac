"""Whether what the objects of a release name is there: the API server takes names of what is not, and the pods then wait for ever.

What the values name themselves is the site's own (its Secrets, its ConfigMaps, its claims) and need not be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.deploy.cluster.objects import Object, pods, selects, title

Name = tuple[str, str]
"""Kind and name of an object of the same namespace."""

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "Pod", "Job")


def dangling(things: Sequence[Object], values: Mapping[str, Any]) -> Iterator[str]:
    """What an object names that is neither among the objects nor in the values, and selectors that find nothing."""
    there = {(each["kind"], each["metadata"]["name"]) for each in things} | {("ServiceAccount", "default")}
    sites_own = set(_texts(values))
    made = [pod for _, pod in pods(things)]
    for thing in things:
        for kind, name in _named(thing):
            if (kind, name) not in there and name not in sites_own:
                yield f"{title(thing)} names {kind} {name}, which nobody makes"
        yield from (f"{title(thing)}: {found}" for found in _selects_nothing(thing, things, made))
    for thing, pod in pods(things):
        yield from (f"{title(thing)}: {found}" for found in _unnamed_ports(pod))


def shared(things: Sequence[Object], others: Sequence[Object]) -> Iterator[str]:
    """Selectors of `things` that take pods of `others` too, another release in the same namespace."""
    theirs = [pod for _, pod in pods(others)]
    for thing in things:
        for what, selector in _pod_selectors(thing):
            if selector and any(selects(selector, pod["metadata"].get("labels", {})) for pod in theirs):
                yield f"{title(thing)}: its {what} takes pods of another release"


def kafka_triggers(things: Sequence[Object], scalers: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong in the triggers of KEDA's ScaledObjects, by KEDA's own list of `scalers` and their parameters."""
    known = {each["type"]: {one["name"]: one for one in each["parameters"]} for each in scalers["scalers"]}
    authentications = {each["metadata"]["name"]: each for each in things if each["kind"] == "TriggerAuthentication"}
    for thing in things:
        for trigger in thing.get("spec", {}).get("triggers", ()) if thing["kind"] == "ScaledObject" else ():
            told = authentications.get(trigger.get("authenticationRef", {}).get("name", ""), {})
            yield from (f"{title(thing)}: {found}" for found in _trigger(trigger, known.get(trigger["type"]), told))


def _trigger(trigger: Object, parameters: Mapping[str, Any] | None, authentication: Object) -> Iterator[str]:
    if parameters is None:
        yield f"KEDA has no trigger {trigger['type']}"
        return
    stated = trigger["metadata"]
    secret = [one["parameter"] for source in authentication.get("spec", {}).values() if isinstance(source, list) for one in source]
    for name, value in stated.items():
        yield from _parameter(name, value, parameters.get(name))
    yield from (
        f"{name} may not come from a TriggerAuthentication"
        for name in secret
        if not parameters.get(name, {}).get("triggerAuthenticationVariableReadable")
    )
    for name, rule in parameters.items():
        if not rule.get("optional") and "default" not in rule and name not in {*stated, *secret}:
            yield f"{name} is missing"


def _parameter(name: str, value: Any, rule: Mapping[str, Any] | None) -> Iterator[str]:
    if rule is None or not rule.get("metadataVariableReadable"):
        yield f"KEDA reads no {name} there"
    elif "allowedValue" in rule and value not in rule["allowedValue"]:
        yield f"{name}: KEDA takes no {value}"


def _named(thing: Object) -> Iterator[Name]:
    spec = thing.get("spec", {})
    for _, pod in pods([thing]):
        yield from _named_by_pod(pod["spec"])
    if "scaleTargetRef" in spec:
        yield spec["scaleTargetRef"].get("kind", "Deployment"), spec["scaleTargetRef"]["name"]
    if thing["kind"] == "StatefulSet" and spec.get("serviceName"):
        yield "Service", spec["serviceName"]
    for trigger in spec.get("triggers", ()) if thing["kind"] == "ScaledObject" else ():
        if "authenticationRef" in trigger:
            yield trigger["authenticationRef"].get("kind", "TriggerAuthentication"), trigger["authenticationRef"]["name"]
    for field, kind in (("secretTargetRef", "Secret"), ("configMapTargetRef", "ConfigMap")):
        yield from ((kind, each["name"]) for each in spec.get(field, ()))


def _named_by_pod(spec: Object) -> Iterator[Name]:
    yield "ServiceAccount", spec.get("serviceAccountName", "default")
    yield from (("Secret", each["name"]) for each in spec.get("imagePullSecrets", ()))
    for volume in spec.get("volumes", ()):
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        yield from (name for source in sources for name in _named_by_volume(source))
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        yield from _named_by_container(container)


def _named_by_volume(source: Object) -> Iterator[Name]:
    if "configMap" in source:
        yield "ConfigMap", source["configMap"]["name"]
    if "secret" in source:
        yield "Secret", source["secret"].get("secretName") or source["secret"]["name"]
    if "persistentVolumeClaim" in source:
        yield "PersistentVolumeClaim", source["persistentVolumeClaim"]["claimName"]


def _named_by_container(container: Object) -> Iterator[Name]:
    variables = [each.get("valueFrom", {}) for each in container.get("env", ())]
    for source in (*container.get("envFrom", ()), *variables):
        for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            found = source.get(f"{field}Ref") or source.get(f"{field}KeyRef")
            if found:
                yield kind, found["name"]


def _selects_nothing(thing: Object, things: Sequence[Object], made: Sequence[Object]) -> Iterator[str]:
    for what, selector in _pod_selectors(thing):
        found = [pod for pod in made if selects(selector, pod["metadata"].get("labels", {}))]
        if not found:
            yield f"its {what} finds no pod"
        among = made if thing["kind"] == "NetworkPolicy" else found  # one policy may be for pods with and without the port
        yield from (f"no pod has a port {port}" for port in _ports_of(thing) if not any(port in _ports(pod) for pod in among))
    if thing["kind"] == "ServiceMonitor":
        services = [each for each in things if each["kind"] == "Service"]
        if not any(selects(thing["spec"]["selector"], each["metadata"].get("labels", {})) for each in services):
            yield "its selector finds no Service"


def _pod_selectors(thing: Object) -> Iterator[tuple[str, Object]]:
    """The object's selectors of pods, in the form of matchLabels."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Service" and spec.get("selector"):
        yield "selector", {"matchLabels": spec["selector"]}
    elif thing["kind"] in ("PodDisruptionBudget", "PodMonitor", *WORKLOADS) and "selector" in spec:
        yield "selector", spec["selector"]
    elif thing["kind"] == "NetworkPolicy":
        yield "podSelector", spec["podSelector"]
    for _, pod in pods([thing]):
        for each in pod["spec"].get("topologySpreadConstraints", ()):
            yield f"spread over {each['topologyKey']}", each["labelSelector"]


def _ports_of(thing: Object) -> Iterator[str]:
    """Names of ports of pods that the object relies on."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Service":
        yield from (each["targetPort"] for each in spec.get("ports", ()) if isinstance(each.get("targetPort"), str))
    if thing["kind"] == "PodMonitor":
        yield from (each["port"] for each in spec["podMetricsEndpoints"])
    if thing["kind"] == "NetworkPolicy":
        yield from (port["port"] for rule in spec.get("ingress", ()) for port in rule.get("ports", ()) if isinstance(port.get("port"), str))


def _ports(pod: Object) -> set[str]:
    return {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", ()) if "name" in port}


def _unnamed_ports(pod: Object) -> Iterator[str]:
    """Ports that a probe names and its container has not."""
    for container in pod["spec"]["containers"]:
        has = {port.get("name") for port in container.get("ports", ())}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = container.get(kind, {}).get("httpGet", {}).get("port")
            if isinstance(port, str) and port not in has:
                yield f"{kind} of {container['name']} names port {port}, which it has not"


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, Mapping):
        yield from (text for each in values.values() for text in _texts(each))
    elif isinstance(values, list):
        yield from (text for each in values for text in _texts(each))
    elif isinstance(values, str):
        yield values


def scalers_of(text: str) -> Mapping[str, Any]:
    """KEDA's list, read."""
    found: Mapping[str, Any] = json.loads(text)
    return found
