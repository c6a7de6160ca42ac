"""How far a server's answers lie from those of the card's network in float32 on a CPU, and whether the card tolerates it."""
