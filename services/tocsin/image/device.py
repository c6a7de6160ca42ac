"""What a picture was taken with, as far as a Media says it (FHIR R4, Media.device and Media.deviceName)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.fhir.datatypes import FHIR_ID, an_object, text
from tocsin.fhir.reference import ServiceBase

FORM: Final = re.compile(rf"(?:Device|DeviceMetric)/{FHIR_ID}|device-[0-9a-f]{{16}}")
"""What `device_of` gives: alike for alike devices, and no words that somebody typed."""


def device_of(media: Mapping[str, Any], base: ServiceBase) -> str:
    """The device as the record names it: its reference, or a hash of its identifier or name; empty where it names none."""
    device = an_object(media.get("device"))
    if (local := base.local(device)).startswith(("Device/", "DeviceMetric/")):
        return local
    identifier = an_object(device.get("identifier"))
    value = text(identifier.get("value"))
    said = f"{text(identifier.get('system'))}|{value}" if value else text(device.get("reference")) or text(media.get("deviceName"))
    return f"device-{hashlib.blake2b(said.encode(), digest_size=8).hexdigest()}" if said else ""
