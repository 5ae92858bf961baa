"""Tax lots: as stated and stored, and what trades, splits and other actions leave of them."""
