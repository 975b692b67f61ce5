"""The Lambda code asset: built without Docker, from locked dependencies."""
