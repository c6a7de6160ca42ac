"""What `tocsin demo` shows: made-up patients, drawn pictures, and the flags on them."""
