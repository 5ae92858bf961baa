"""What could go wrong and what helps: scenarios, hedges, market regimes; nothing here optimizes weights."""
