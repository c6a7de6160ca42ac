"""SMART App Launch 2.2: a clinician comes from the EHR, and Tocsin learns who they are and what they may see (deploy/serve.md)."""
