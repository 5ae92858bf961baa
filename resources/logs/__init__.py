"""Deliveries into the append-only logs: new rows and corrections; nothing here changes or removes a row."""
