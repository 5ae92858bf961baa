"""The stages of portfolios as pure functions over many of them: from snapshots, a market and estimates to tables."""
