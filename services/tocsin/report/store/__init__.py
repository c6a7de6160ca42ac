"""The store of reports in the FHIR server: finds, writes and supersedes them."""
