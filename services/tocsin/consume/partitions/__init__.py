"""What is ours: partitions, their open offsets, and which event kills the process."""
