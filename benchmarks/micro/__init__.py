"""What the library itself costs: the time of a pick, and of a change of the set."""
