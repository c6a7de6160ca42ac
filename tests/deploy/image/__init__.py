"""The container image, built and run for real: `python -m tests.deploy.image --help`."""
