"""Refused events: why, where they stood, the unchanged original; and another try."""
