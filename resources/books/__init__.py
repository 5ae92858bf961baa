"""A portfolio as a pack found it: holdings, lots, universe, orders; nothing here computes weights."""
