"""The command `jobledger`: one module for each subcommand."""
