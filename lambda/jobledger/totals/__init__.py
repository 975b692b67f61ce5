"""What is computed over many jobs: summaries, counts, active jobs, and the recount of the counters."""
