"""Flow control: which attempt may start now, and how many records to poll."""
