"""Loading: a staged result becomes rows of a table."""
