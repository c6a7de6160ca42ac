"""Faults without end on the real parts, and an independent audit of what became of every event: `python -m tests.chaos --help`."""
