"""From bytes to a tree of values with their places, and what is wrong with one of them."""
