"""Sources: which videos there are, where they lie, what is known of them, and how their files are read."""
