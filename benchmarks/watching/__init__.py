"""The benchmark of the watch: an API server, the clients that follow it, and what they cost."""
