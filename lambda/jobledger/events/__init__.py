"""Job state change events on EventBridge."""
