"""Immutable packs, and what a pack saw: prices, rates, delistings; nothing here knows a portfolio."""
