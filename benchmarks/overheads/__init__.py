"""What `python -m benchmarks.overhead` is made of: servers that cost little, arms, bursts that take turns, ratios."""
