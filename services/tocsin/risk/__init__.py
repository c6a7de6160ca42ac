"""Stage four: what the findings mean here. Pure: no clock, no network, no settings."""
