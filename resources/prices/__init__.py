"""From a vendor's bytes to rows, one file a kind of source; nothing here judges whether a price is true."""
