"""The infrastructure of Job Ledger: one stack, with one module per construct.

Two modules of the functions are imported, so that their facts are not written twice: `jobledger.service` and
`jobledger.metrics`. They need the standard library only.
"""

import sys
from pathlib import Path

# Where Lambda has the functions' code, too; the name of the folder is a keyword and cannot be imported.
sys.path.append(str(Path(__file__).resolve().parents[1] / "lambda"))
