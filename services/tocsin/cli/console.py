"""Where people read."""

from __future__ import annotations

import os

from rich.console import Console


def console() -> Console:
    """Standard output; without any escape code where NO_COLOR is set (no-color.org), since rich alone would still write bold."""
    return Console(color_system=None if os.environ.get("NO_COLOR") else "auto")
