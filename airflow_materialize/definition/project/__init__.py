"""Many files: pipelines, their graphs, and what they have to do with one another."""
