"""The DuckDB file, its tables, ledger and anchor; nothing here knows prices or portfolios."""
