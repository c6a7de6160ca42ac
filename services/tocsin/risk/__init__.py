"""Stage four: turns the model's findings into a risk band. Pure: no clock, no network, no settings."""
