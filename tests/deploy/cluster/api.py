"""Speaks with the API server: what a namespace holds, what would be admitted, what other parties of a cluster would write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from tests.deploy.cluster.server import ENGINEER, MASTER, Server
from tests.support.waiting import eventually

Object = Mapping[str, Any]
Key = tuple[str, str, str]
"""API group, kind and name of an object in a namespace."""

ANSWER_WITHIN_S: Final = 30.0
ESTABLISHED_WITHIN_S: Final = 60.0
FORGETFUL: Final = {"Event", "Lease"}
"""Kinds that a cluster itself writes and forgets."""
RELEASE_TYPE: Final = "helm.sh/release.v1"
"""Type of the Secrets in which helm keeps its own record of a release."""
OWN: Final = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp")
"""Metadata that the server writes itself."""


class Refused(Exception):
    """The server refused a request; the message is its own."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, and where the server keeps it."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """As an object's `apiVersion` says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str) -> str:
        """The path of its objects in the namespace."""
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/namespaces/{namespace}/{self.plural}"


class Api:
    """A client with all rights."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(server.ca_file)
        self._session.headers["Authorization"] = f"Bearer {MASTER}"
        self._resources: Sequence[Resource] = ()

    def get(self, path: str) -> Any:
        """What is there. Raises Refused."""
        return self._ask("GET", path)

    def create(self, path: str, body: Object, *, dry_run: bool = False) -> Any:
        """The object as the server made it, every unknown field refused; `dry_run`: as it would make it. Raises Refused."""
        return self._ask("POST", f"{path}?fieldValidation=Strict&fieldManager=tests{'&dryRun=All' if dry_run else ''}", json=body)

    def merge(self, path: str, body: Object, *, manager: str = "tests") -> Any:
        """The object after a merge patch that this field manager sends. Raises Refused."""
        return self._ask("PATCH", f"{path}?fieldManager={manager}", json=body, headers={"Content-Type": "application/merge-patch+json"})

    def resources(self) -> Sequence[Resource]:
        """Every kind that lives in namespaces and can be listed, in its preferred version."""
        if not self._resources:
            self._resources = tuple(self._discovered())
        return self._resources

    def path_of(self, thing: Object, namespace: str) -> str:
        """The path of the object's kind in the namespace; of whatever version it is written in. Raises Refused for an unknown kind."""
        group, _, version = thing["apiVersion"].rpartition("/")
        for each in self.resources():
            if (each.group, each.kind) == (group, thing["kind"]):
                return Resource(group, version, each.kind, each.plural).path(namespace)
        raise Refused(f"the server has no {thing['kind']} of {thing['apiVersion']} in namespaces")

    def held(self, namespace: str) -> Mapping[Key, Object]:
        """Everything in the namespace but events, leases and helm's own records."""
        return {
            (each.group, each.kind, one["metadata"]["name"]): {"apiVersion": each.api_version, "kind": each.kind, **one}
            for each in self.resources()
            if each.kind not in FORGETFUL
            for one in self.get(each.path(namespace))["items"]
            if one.get("type") != RELEASE_TYPE
        }

    def records(self, namespace: str) -> Sequence[str]:
        """Names of helm's own records in the namespace."""
        secrets = self.get(f"/api/v1/namespaces/{namespace}/secrets")["items"]
        return sorted(one["metadata"]["name"] for one in secrets if one.get("type") == RELEASE_TYPE)

    def define(self, files: Sequence[Path]) -> None:
        """Load the files' CustomResourceDefinitions, and wait until the server knows their kinds. Raises Refused."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        made = [self.create(path, yaml.load(file.read_text("utf-8"), yaml.CSafeLoader))["metadata"]["name"] for file in files]
        for name in made:
            eventually(lambda name=name: self._established(f"{path}/{name}"), within_s=ESTABLISHED_WITHIN_S, what=name)  # type: ignore[misc] # mypy takes no lambda with a default for a Callable
        self._resources = ()

    def namespace(self, name: str) -> str:
        """Make a namespace that takes only pods of the restricted standard, in which the engineer may do all. Returns its name."""
        modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": modes}})
        group = "rbac.authorization.k8s.io"
        role = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
        binding = {
            "roleRef": {"apiGroup": group, "kind": "Role", "name": ENGINEER},
            "subjects": [{"apiGroup": group, "kind": "User", "name": ENGINEER}],
        }
        for kind, body in (("Role", role), ("RoleBinding", binding)):
            thing = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": ENGINEER}, **body}
            self.create(f"/apis/{group}/v1/namespaces/{name}/{kind.lower()}s", thing)
        return name

    def _established(self, path: str) -> bool:
        conditions = self.get(path).get("status", {}).get("conditions") or ()
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

    def _discovered(self) -> Iterator[Resource]:
        yield from self._of_group("", "v1", "/api/v1")
        for group in self.get("/apis")["groups"]:
            version = group["preferredVersion"]["version"]
            yield from self._of_group(group["name"], version, f"/apis/{group['name']}/{version}")

    def _of_group(self, group: str, version: str, path: str) -> Iterator[Resource]:
        for each in self.get(path)["resources"]:
            if each["namespaced"] and "list" in each["verbs"] and "/" not in each["name"]:
                yield Resource(group, version, each["kind"], each["name"])

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        answer = self._session.request(method, self._url + path, timeout=ANSWER_WITHIN_S, **what)
        body = answer.json()
        if not answer.ok:
            raise Refused(f"{answer.status_code} {body.get('message', '')}")
        return body


def settled(held: Mapping[Key, Object]) -> Mapping[Key, Object]:
    """The objects without what the server writes into their metadata at each write."""
    return {
        key: {**one, "metadata": {name: value for name, value in one["metadata"].items() if name not in OWN}} for key, one in held.items()
    }


def written(held: Mapping[Key, Object]) -> Mapping[Key, str]:
    """When each object was last written, in the server's own count."""
    return {key: one["metadata"]["resourceVersion"] for key, one in held.items()}
