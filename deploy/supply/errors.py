"""What can be wrong with what is looked at."""

from __future__ import annotations


class SupplyError(Exception):
    """What was asked for cannot be told, and the message says what to do."""
