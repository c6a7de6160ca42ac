"""What `tocsin demo` shows: made-up patients, drawn pictures, and the flags that come of them."""
