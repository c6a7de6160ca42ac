"""Tries the whole way from an event to a clinician's flag on one picture that a site names, and takes the report back."""
