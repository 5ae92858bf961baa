"""Whether prices can be true: what is set aside, what is noted, what rejects a pack; nothing here writes."""
