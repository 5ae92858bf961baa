"""Why a symbol is traded, or not, from what was recorded."""
