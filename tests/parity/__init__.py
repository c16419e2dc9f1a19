"""Random fleets, asked of the Go service and of ours: every value of its answer must be in ours (`make parity`)."""
