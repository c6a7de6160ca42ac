"""How far a server's answers lie from known ones: whether it computes the card's network, in an arithmetic that the card allows."""
