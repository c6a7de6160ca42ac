"""What the parts of a go-live report are called; the checklist names them, too."""

from __future__ import annotations

from typing import Final

from tocsin.words.catalogue import to_say

FIRST: Final = to_say("First page")
OPEN: Final = to_say("What could not be shown yet")
POINT: Final = to_say("At the operating point")
GROUPS: Final = to_say("Groups")
DISCRIMINATION: Final = to_say("Discrimination")
CALIBRATION: Final = to_say("Calibration")
BENEFIT: Final = to_say("Net benefit")
AGREEMENT: Final = to_say("Agreement with clinicians")
ABOUT: Final = to_say("What was evaluated")
FLOW: Final = to_say("What became of the pictures")
REFERENCE: Final = to_say("Reference standard")
METHODS: Final = to_say("How it was computed")
CHECKLIST: Final = to_say("Checklist")
