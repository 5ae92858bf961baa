"""What is optimized, as values checked once: portfolio, policy, exposures, costs, estimates; nothing here solves."""
