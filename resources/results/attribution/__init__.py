"""Where risk comes from and where return came from, by factor: rows of their tables, and what is told of them."""
