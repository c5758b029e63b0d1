"""User code, isolated: its environment, its process, its output. This is the worker's side."""
