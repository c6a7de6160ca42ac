"""Long simulations of what `tocsin.learning` promises, and its trials on real scores; each prints its figures beside its bar."""
