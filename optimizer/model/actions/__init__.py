"""Corporate actions: their closed vocabulary, and what each does to shares, their cost and cash."""
