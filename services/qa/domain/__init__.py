"""What are the rules of quality audits? Pure: no clock, no database, no HTTP."""
