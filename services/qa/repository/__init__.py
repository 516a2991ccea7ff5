"""Every query that qa makes, split by subject."""
