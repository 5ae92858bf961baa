"""Tax lots, the gains that sales realise, and losses harvested on purpose; nothing here rounds to whole shares."""
