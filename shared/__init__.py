"""What every service may import: the event contracts and the small runtime."""
