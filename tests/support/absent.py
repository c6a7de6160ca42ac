"""What a test needs and this machine does not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(why: str) -> NoReturn:
    """Skips the test, and fails it where CI=true: there nothing may be missing."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
