"""What one calendar month looked like, by the same figures as an evaluation: monitoring, and no validation for going live."""
