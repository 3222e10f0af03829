"""Pages of the log, for those who may read all of it."""
