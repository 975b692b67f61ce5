"""`make bench`: measures the functions beside what a user would write, and writes bench/RESULTS.md."""
