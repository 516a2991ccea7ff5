"""The four services and the composition root."""
