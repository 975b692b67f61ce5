"""How a deployment is watched: its metrics, alarms, saved log queries and dashboard."""
