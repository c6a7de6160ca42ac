"""How what an event costs changes with the number of events, and with the number of processes."""
