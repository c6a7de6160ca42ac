"""The FHIR access that all packages share: one client, one mapping of answers to errors, one list of canonical addresses."""
