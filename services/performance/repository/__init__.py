"""Every query of performance, by subject."""
