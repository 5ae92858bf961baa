"""The record of what was written: rows, chain, tree, anchor, signatures; nothing here opens the warehouse."""
