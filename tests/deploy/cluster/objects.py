"""Reads objects of Kubernetes as they are rendered or held: pods of workloads, differences, names. Nothing here asks a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

Object = Mapping[str, Any]
SCALES: Final = {
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}
"""Suffixes of quantities (Kubernetes API, Quantity)."""
STATEFUL_SET_NAME_MAX: Final = 52
"""A StatefulSet's pods bear its name and 11 characters more in a label, and a label takes 63."""
NAME_MAX: Final = 63
"""Longest name of a Service, and of anything whose name becomes a label or a host name."""


def title(thing: Object) -> str:
    """How a person names the object."""
    return f"{thing['kind']} {thing['metadata']['name']}"


def pods(things: Sequence[Object]) -> Iterator[tuple[Object, Object]]:
    """Each workload among the objects with a pod of its template, as its controller would make it; a pod is its own."""
    for thing in things:
        template = _template(thing)
        if template is not None:
            yield (
                thing,
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {**template.get("metadata", {}), "name": _pod_name(thing)},
                    "spec": {**template["spec"], "volumes": [*template["spec"].get("volumes", []), *_claims(thing)]},
                },
            )


def lacking(asked: Any, held: Any, path: str = "") -> Iterator[str]:
    """Where the object that is held lacks what was asked for, or has another value; what it has more is the server's own."""
    if isinstance(asked, Mapping):
        yield from (found for key, value in asked.items() for found in _lacking_key(value, held, key, path))
    elif isinstance(asked, list) and isinstance(held, list) and len(asked) == len(held):
        for index, (one, other) in enumerate(zip(asked, held, strict=True)):
            yield from lacking(one, other, f"{path}[{index}]")
    elif not _same(asked, held):
        yield f"{path}: asked {_short(asked)}, held {_short(held)}"


def changes(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Paths at which two objects differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from changes(before.get(key), after.get(key), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from changes(one, other, f"{path}[{index}]")
    elif before != after:
        yield path


def too_long(things: Sequence[Object]) -> Iterator[str]:
    """Names that leave no room for what Kubernetes writes behind them."""
    for thing in things:
        name = thing["metadata"]["name"]
        most = STATEFUL_SET_NAME_MAX if thing["kind"] == "StatefulSet" else NAME_MAX
        if len(name) > most:
            yield f"{title(thing)}: {len(name)} characters, and at most {most} may be"


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector, matchLabels and matchExpressions, takes these labels; an empty one takes all."""
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return equal and all(_expressed(each, labels) for each in selector.get("matchExpressions", ()))


def _expressed(expression: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    answers = {"In": value in values, "NotIn": value not in values, "Exists": value is not None, "DoesNotExist": value is None}
    return answers[expression["operator"]]


def _template(thing: Object) -> Object | None:
    if thing["kind"] == "Pod":
        return thing
    spec = thing.get("spec", {})
    found: Object | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return found if found and "spec" in found else None


def _pod_name(thing: Object) -> str:
    name: str = thing["metadata"]["name"]
    return {"Pod": name, "StatefulSet": f"{name}-0"}.get(thing["kind"], f"{name[:52]}-tests")


def _claims(thing: Object) -> Iterator[Object]:
    """What a StatefulSet's controller adds: a volume for each of its claims."""
    for claim in thing.get("spec", {}).get("volumeClaimTemplates", ()) or ():
        name = claim["metadata"]["name"]
        yield {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{thing['metadata']['name']}-0"}}


def _lacking_key(value: Any, held: Any, key: str, path: str) -> Iterator[str]:
    if value is None or value in ({}, []):
        return  # the server leaves away what is empty
    if not isinstance(held, Mapping) or key not in held:
        yield f"{path}.{key}: the server does not hold it"
    else:
        yield from lacking(value, held[key], f"{path}.{key}")


def _same(asked: Any, held: Any) -> bool:
    if asked == held:
        return True
    one, other = _quantity(asked), _quantity(held)
    return one is not None and one == other


def _quantity(value: Any) -> Decimal | None:
    text = str(value)
    suffix = next((each for each in sorted(SCALES, key=len, reverse=True) if text.endswith(each)), "")
    try:
        return Decimal(text.removesuffix(suffix)) * SCALES.get(suffix, Decimal(1))
    except InvalidOperation:
        return None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
