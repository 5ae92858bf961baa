"""What a desk should be told without asking, and the sending of it; nothing here decides or repairs."""
