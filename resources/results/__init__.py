"""What the stages computed, as rows and back, and the queries that readers share; nothing here verifies."""
