"""What corporate actions state and price rows do not: splits and dividends, and which rows they fall to."""
