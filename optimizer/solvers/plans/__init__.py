"""Plans over several steps: a program whose steps hang together by their trades, its solver, and the proof."""
