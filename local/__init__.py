"""The local deployment: stands in for AWS on your own machine. Nothing in this package is deployed."""
