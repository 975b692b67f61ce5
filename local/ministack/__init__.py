"""MiniStack as `make local` runs it, in its own environment: with parts of AWS that it lacks.

`__main__` replaces functions of MiniStack. Each replacement can go when MiniStack does what this table says. Version
1.5.33, the newest in November 2026, does none of it. No issue in github.com/ministackorg/ministack asks for it, except
where one is named: the texts are what to report.

| replacement | MiniStack should |
|---|---|
| `iam.count_as_tls` | have a setting that counts plain HTTP on loopback as TLS (`aws:SecureTransport`) |
| `iam.add_leading_keys` | know the condition key `dynamodb:LeadingKeys`, also of transactions |
| `iam.as_single_messages` | check `sqs:SendMessage` and `sqs:DeleteMessage` for the batch operations, as AWS does |
| `iam.add_request_keys` | know the condition keys `events:source` and `kms:EncryptionContextKeys` |
| `iam.name_roles` | take the role for `aws:PrincipalArn`, not its session |
| `iam.refuse_as_the_api` | answer a caller who is not allowed with the gateway response ACCESS_DENIED, and a caller of another account by the API's resource policy |
| `comprehend_medical.authorize_calls` | authorize calls of services that it does not implement |
| `streams.keep_streams` | save the records of streams with PERSIST_STATE=1, as it saves the positions of their readers |
| `functions.retry_batches` | deliver a stream's batch again from the first of `batchItemFailures` |
| `functions.take_turns` | have a setting for the largest number of environments of a function that run at once, with the others waiting |
| `functions.SharedCode` | use the cache of extracted code of the Docker executor (issue 1600) for local workers, too |
| caches of conditions | parse a condition once for each query, not once for each row |
| `logs` | mark in a worker's output where the log of a call ends (pull request 449 waits 50 ms instead) |
| `observability.keep_traces` | listen as an X-Ray daemon, and serve GetTraceSummaries |
| `observability.sampling_all` | begin a trace for each request to a stage with TracingEnabled, and pass it to the function |
| `observability.emitting_metrics` | make metrics of lines in the embedded metric format, follow ApplicationLogLevel, and write no log into a group that was deleted |
| `observability.by_dimensions` | evaluate an alarm on the metric with its dimensions (1.5.33 takes every metric of the name) |
| `observability.without_maths` | accept alarms with `Metrics` in templates (pull request 265 left them out) |
| `mail.keep_mail` | keep the e-mails that SNS would send, readable by tests |
"""
