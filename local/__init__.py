"""The local deployment: replaces AWS on your own machine. Nothing in this package is deployed."""
