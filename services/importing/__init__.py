"""Bringing in what other systems know from files: call logs and lists of employees."""
