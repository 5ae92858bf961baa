"""What a desk writes of a policy, its rules and limits: read, checked, said in its words; nothing is solved here."""
