"""How the Python examples reach the bus: by Tocsin's own settings."""

import os
from pathlib import Path
from typing import Any


def connection() -> dict[str, Any]:
    """What kafka-python's clients are told."""
    setting = {name.removeprefix("TOCSIN_KAFKA__"): value for name, value in os.environ.items() if name.startswith("TOCSIN_KAFKA__")}
    told: dict[str, Any] = {"bootstrap_servers": setting["BOOTSTRAP_SERVERS"].split(",")}
    told |= {"security_protocol": setting.get("SECURITY_PROTOCOL", "PLAINTEXT"), "ssl_cafile": setting.get("TLS_CA_FILE")}
    if "SASL_MECHANISM" in setting:
        password = Path(setting["SASL_PASSWORD_FILE"]).read_text().strip()
        told |= {"sasl_mechanism": setting["SASL_MECHANISM"], "sasl_plain_username": setting["SASL_USERNAME"]}
        told["sasl_plain_password"] = password
    return told
