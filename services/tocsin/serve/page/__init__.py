"""The review page: one flag, its picture and what a clinician makes of it."""
