"""Stage three: what the model sees in the picture, asked of Triton and read by the model card."""
