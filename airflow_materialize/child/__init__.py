"""Runs an asset in its own environment. Standard library and pyarrow only."""
