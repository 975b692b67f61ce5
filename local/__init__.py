"""What stands in for AWS on your own machine. Nothing in here is deployed."""
