"""How holdings move with the factors of scenarios: worked out once for all portfolios whose names share their dates."""
