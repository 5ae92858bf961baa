"""Commands about what a desk holds: holdings, a broker's file, accounts that are rows."""
