"""Whether what is on record still stands: verify, diff, replay, backup; nothing here computes."""
