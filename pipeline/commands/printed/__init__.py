"""What commands print for people: tables that fit the terminal; nothing here reads a table or decides."""
