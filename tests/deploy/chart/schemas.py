"""The schemas that an API server has: Kubernetes' own, and those of KEDA's and the Prometheus operator's resources."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from tocsin.errors import Stop
from tocsin.sandbox.artifacts import cache_folder

from tests.deploy.chart.helm import Object
from tests.deploy.chart.modules import KEDA, OPERATOR, kept
from tests.support.absent import absent

KUBERNETES: Final = ("1.27", "1.37")
"""The oldest that the chart promises, and the newest that there is."""

Schema = Mapping[str, Any]


DEFINITIONS: Final = {
    "ScaledObject": (KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "TriggerAuthentication": (KEDA, "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    "PodMonitor": (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"),
    "PrometheusRule": (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
}
"""Where the definition of a custom resource stands."""


def fits(each: Object, version: str) -> str:
    """Why the object does not fit its schema, unknown fields included; empty where it does."""
    validator = _custom(each["kind"]) if each["kind"] in DEFINITIONS else _built_in(each["apiVersion"], each["kind"], version)
    wrong = best_match(validator.iter_errors(each))
    return "" if wrong is None else f"{wrong.json_path}: {wrong.message}"


@cache
def _built_in(api_version: str, kind: str, version: str) -> Draft202012Validator:
    group, _, name = api_version.rpartition("/")
    file = "-".join(filter(None, (kind.lower(), group.partition(".")[0], name)))
    definitions = Resource.from_contents(_of_kubernetes("_definitions", version))
    schema = _of_kubernetes(file, version)
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ (definitions @ Registry()))


@cache
def _of_kubernetes(name: str, version: str) -> Schema:
    """One schema of PyPI's kubernetes-validate."""
    file = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict" / f"{name}.json"
    return dict(orjson.loads(file.read_bytes()))


@cache
def _custom(kind: str) -> Draft202012Validator:
    (version,) = (each for each in yaml.load(definition(kind).read_bytes(), Loader=yaml.CSafeLoader)["spec"]["versions"] if each["storage"])
    return Draft202012Validator(_closed(version["schema"]["openAPIV3Schema"]))


def definition(kind: str) -> Path:
    """The file of the custom resource's definition."""
    module, path = DEFINITIONS[kind]
    try:
        return kept(module, path, cache_folder(os.environ))
    except Stop as reason:
        absent(str(reason))


def _closed(schema: Any) -> Any:
    """The schema of a structural definition, in which a field that it does not name is wrong: an API server drops it silently."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed_all(each) if name == "properties" else _closed(each) for name, each in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made


def _closed_all(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: _closed(each) for name, each in properties.items()}
