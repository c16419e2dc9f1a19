"""Which nodes a workload fits on: the rules of the scheduler, the requirements, and the ranking."""
