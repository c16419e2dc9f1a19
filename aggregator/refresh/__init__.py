"""One refresh: collect the samples, build a snapshot, and replace the current one."""
