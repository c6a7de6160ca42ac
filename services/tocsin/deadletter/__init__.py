"""Dead letters: why an event was refused, where it stood, its unchanged original; and how it is replayed or closed."""
