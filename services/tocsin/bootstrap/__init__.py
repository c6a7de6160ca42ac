"""The composition root, the only place that chooses: settings become adapters, and adapters what a process runs."""
