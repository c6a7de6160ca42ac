"""A rolling update and two roll-backs under load, with an account of every event: `python -m tests.deploy.upgrade --help`."""
