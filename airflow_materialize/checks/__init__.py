"""Checks of a loaded table: what each kind counts, and one scan for all of them."""
