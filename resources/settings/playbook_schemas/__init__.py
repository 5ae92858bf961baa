"""The keys of scenarios, hedges and regimes, each checked as it is read; nothing here joins them."""
