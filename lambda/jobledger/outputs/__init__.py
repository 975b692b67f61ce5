"""Reads what jobs processed from their manifests in S3."""
