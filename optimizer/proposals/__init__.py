"""The compositions that callers use: beliefs to weights to trades, engine, frontier; no mathematics of its own."""
