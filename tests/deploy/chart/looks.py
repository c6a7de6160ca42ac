"""What rendered objects say: their pods, their settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deploy.chart.helm import Object

HOOK: Final = "helm.sh/hook"
MOUNT: Final = "/run/tocsin"
"""Where the site's files are mounted."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that an object makes."""

    owner: str
    """kind/name of that object."""
    component: str
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def container(self) -> Mapping[str, Any]:
        """Its only container."""
        (only,) = self.spec["containers"]
        return dict(only)


def called(each: Object) -> str:
    """kind/name."""
    return f"{each['kind']}/{each['metadata']['name']}"


def of_kind(all_of: Iterable[Object], *kinds: str) -> list[Object]:
    """The objects of these kinds."""
    return [each for each in all_of if each["kind"] in kinds]


def pods(all_of: Iterable[Object]) -> Iterator[Pod]:
    """Every pod that the objects make, those of hooks and tests and sub-charts among them."""
    for each in all_of:
        if each["kind"] == "Pod":
            yield _pod(each, each)
        elif each["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield _pod(each, each["spec"]["template"])


def _pod(owner: Object, template: Object) -> Pod:
    head = template["metadata"]
    return Pod(called(owner), head["labels"]["app.kubernetes.io/component"], head.get("annotations", {}), template["spec"])


def tocsins(all_of: Iterable[Object]) -> list[Pod]:
    """The pods that run Tocsin."""
    return [each for each in pods(all_of) if each.component not in ("redis", "triton")]


def environment_of(pod: Pod, all_of: Iterable[Object], site: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """The environment that the pod's process has, with the site's files below `site`; `secrets` holds their content by path."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(all_of, "ConfigMap")}
    (source,) = pod.container["envFrom"]
    found = dict(maps[source["configMapRef"]["name"]])
    for each in pod.container.get("env", ()):
        stated = each.get("value", f"{pod.component}-0")  # of the pod's own name, which the kubelet puts in place
        found[each["name"]] = stated.replace("$(POD)", found.get("POD", "$(POD)"))  # and so it does with a variable that stands before
    for path in mounted(pod):
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(secrets.get(path, "x"))
    return {name: value.replace(MOUNT, str(site)) for name, value in found.items()}


def mounted(pod: Pod) -> list[str]:
    """The paths, below MOUNT, of the site's files that the pod has."""
    sources = [source for volume in pod.spec["volumes"] for source in volume.get("projected", {}).get("sources", ())]
    return [item["path"] for source in sources for reference in source.values() for item in reference["items"]]
