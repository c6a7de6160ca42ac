"""The embedded stack behind `tocsin demo` and the tests: the real neighbours, as child processes."""
