"""The board: the ledger as an HTML page and as a CloudWatch custom widget, from one renderer."""
