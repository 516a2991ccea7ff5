"""The rules of performance, free of database, clock and HTTP."""
