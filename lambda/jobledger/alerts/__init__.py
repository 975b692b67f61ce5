"""Job alerts: the changes of a minute as one message."""
