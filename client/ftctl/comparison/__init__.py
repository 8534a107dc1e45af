"""Jobs beside one another: what differs in their settings, what came of it, and what that says."""
