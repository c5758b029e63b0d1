"""One file → one definition, with all of its problems at once."""
