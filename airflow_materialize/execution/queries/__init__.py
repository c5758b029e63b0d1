"""What user code asks while it runs, and who answers."""
