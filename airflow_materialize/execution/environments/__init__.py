"""The virtual environments of assets: what they need, resolved, locked, built and kept."""
