"""One page of HTML that says what a pack's trades are, why, and where every number comes from."""
