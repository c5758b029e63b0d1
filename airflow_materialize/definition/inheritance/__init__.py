"""What an asset takes from elsewhere: defaults, glossary, variants and templates."""
