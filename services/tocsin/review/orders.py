"""Which draft orders are about a skin lesion: the hooks order-select and order-sign. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tocsin.fhir.datatypes import Coding, Json, an_object, codings, objects, reference_to, text
from tocsin.fhir.reference import ServiceBase

_CODED: tuple[str, ...] = ("code", "category", "performerType", "specialty", "type")
"""Elements of FHIR R4's requests that say in codes what is ordered, or of whom."""


def orders(bundle: Json, selected: Collection[str] | None = None) -> list[Json]:
    """The orders in a hook's draftOrders; of those that a clinician has just `selected` where the hook says which (Type/id)."""
    found = [an_object(entry.get("resource")) for entry in objects(bundle.get("entry"))]
    return [each for each in found if selected is None or reference_to(each) in selected]


def counts(order: Json, codes: Collection[Coding]) -> bool:
    """Whether one of the order's codes is among these."""
    return any(each in codes for each in _codes(order))


def subject_of(order: Json, base: ServiceBase) -> str | None:
    """Whose order it is, Type/<id>, empty where that is no resource of this server; None where the order does not say."""
    stated = order.get("subject", order.get("patient"))
    return None if stated is None else base.local(stated)


def _codes(order: Json) -> Iterator[Coding]:
    for name in _CODED:
        stated = order.get(name)
        for concept in stated if isinstance(stated, list) else [stated]:
            yield from codings(concept)


def selections(stated: object) -> frozenset[str]:
    """The references in a hook's `selections`."""
    return frozenset(filter(None, map(text, stated))) if isinstance(stated, list) else frozenset()
