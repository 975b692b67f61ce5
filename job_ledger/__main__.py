"""`python -m job_ledger` is the command `jobledger`."""

from job_ledger.command.entry import main

main()
