"""The outside world: the only code that opens a file, a socket or a database."""
