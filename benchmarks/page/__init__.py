"""The report as a page: pure functions from a result to its parts, and one file of HTML that opens offline."""
