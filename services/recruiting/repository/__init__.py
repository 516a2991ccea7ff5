"""Every query of recruiting, one file a subject."""
