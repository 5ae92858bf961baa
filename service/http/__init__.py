"""What stands around a request: keys, limits, one JSON object, the reference page; no answer is computed here."""
