"""From a row back through the stages that made it to prices and files, and as columns; nothing here judges."""
