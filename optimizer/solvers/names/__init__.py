"""Which names are held or traded at all: least positions, numbers of holdings, bands, by branch and bound."""
