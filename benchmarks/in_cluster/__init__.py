"""The comparison inside a real cluster: its pods are that cluster's, and the load comes from pods of a Job there."""
