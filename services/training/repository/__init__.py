"""Every query of training, one file a subject."""
