"""The DynamoDB table of jobs and changes: its rows, and how they are written and read."""
