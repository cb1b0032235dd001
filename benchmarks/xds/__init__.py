"""What the control plane costs: many streams, many endpoints, and one change that all are to know of."""
