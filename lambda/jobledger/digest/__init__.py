"""Digests: windows of the change log, summarized and published to SNS."""
