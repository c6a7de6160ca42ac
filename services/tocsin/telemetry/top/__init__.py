"""What `tocsin top` shows: answers of running processes, what grew between them, and the view made of that. No terminal."""
