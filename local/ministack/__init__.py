"""MiniStack as `make local` runs it, in its own environment: with parts of Lambda, CloudWatch and IAM that it lacks.

MiniStack ignores the setting ApplicationLogLevel, with which CDK's framework for custom resources keeps
requests out of its log. A log line in CloudWatch's embedded metric format becomes no metric: here it does, and
alarms see it. And there is no X-Ray daemon: this one writes what the functions send, one JSON document a line,
to the file that TRACES_FILE names. With PERSIST_STATE=1 it also saves the records of DynamoDB streams.

With AUTH=true MiniStack enforces IAM policies. It then lacks three condition keys that the stack's policies
name, and policies that require TLS refuse every request to its plain HTTP endpoint. A caller of an API that is
not allowed gets MiniStack's own error instead of the API's, and one of another account finds no API.
"""
