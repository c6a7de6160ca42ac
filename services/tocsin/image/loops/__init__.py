"""The loops over a picture's pixels: what the gate measures, and the picture at the model's size."""
