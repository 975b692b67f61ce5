"""`make bench`: measures the functions beside what a user would write, and writes bench/RESULTS.md."""

import sys
from pathlib import Path

# `lambda` is a keyword: its code is a source root, as in Lambda's /var/task.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lambda"))
