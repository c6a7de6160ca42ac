"""What became of one event: its traces at their back end, and what record and bus tell of it where there are none."""
