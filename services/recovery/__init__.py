"""What does an operator do when something went wrong? Dead letters, history read again, backups."""
