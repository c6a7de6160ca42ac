"""What the FHIR server already holds, found by search, and what goes over it."""
