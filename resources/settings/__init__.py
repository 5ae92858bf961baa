"""What a desk edits in `config/`, parsed and checked; nothing here reads a price or a table."""
