"""Where a number came from and whether it still stands: trace, verify, diff, replay, backup; nothing here computes."""
