"""The stages, one file each: read, call the optimizer, write; no mathematics, no SQL beyond reading."""
