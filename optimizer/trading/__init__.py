"""From target weights to a whole-share trade list with reasons, costs and impact; nothing here changes the target."""
