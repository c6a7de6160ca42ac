"""CDS Hooks 2.0.1 and 3.0: discovery, cards from stored reports, and feedback, for EHRs that prove who they are at every call."""
