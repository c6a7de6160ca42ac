"""A small site on the real parts, with compose.yaml and with systemd's units: `python -m tests.deploy.small --help`."""
