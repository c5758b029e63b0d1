"""The same models for editors, as JSON Schema."""
