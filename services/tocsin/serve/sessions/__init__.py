"""Sessions of readers: kept in Redis under a hash of the cookie, and sealed with a key that only the cookie can give."""
