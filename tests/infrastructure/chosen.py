"""Settings to synthesise with: every one chosen, with another value than its default, and what adds most."""

CHOSEN = {
    "name": "Ward7",
    "families": "PHI,RXNORM",
    "syncMinutes": "5",
    "digestSchedule": "rate(12 hours)",
    "digestTimezone": "Asia/Tokyo",
    "digestEmails": "a@example.org,b@example.org",
    "digestWhen": "attention",
    "chatDigests": "true",
    "alertOn": "STOPPED",
    "alertEmails": "c@example.org",
    "includeJobDetails": "true",
    "allowedAccounts": "111122223333,444455556666",
    "vpcEndpointIds": "vpce-0a1b2c3d4e5f60718",
    "webAclArn": "arn:aws-us-gov:wafv2:us-gov-west-1:111122223333:regional/webacl/hospital/1a2b3c4d-0000-4000-8000-000000000000",
    "kmsKeyArn": "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1a2b3c4d-0000-4000-8000-000000000000",
    "keepWarm": "false",
    "apiGatewayAccount": "false",
    "logRetentionDays": "365",
    "backupDays": "7",
    "retainLedger": "false",
    "outputBuckets": "ward7-codes,ward7-phi/out/2026",
    "outputKeyArns": "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/5e6f7a8b-0000-4000-8000-000000000000",
    "characterPrices": "PHI=0.0014,RXNORM=0.00025",
    "sources": "222233334444/us-gov-west-1,333344445555/us-gov-west-1",
    "ownSource": "false",
    "externalId": "ward-7",
    "digestBy": "source",
    "lookupAccounts": "222233334444",
}
# What the setting outputBuckets adds.
OUTPUTS = {
    "outputBuckets": "codes,notes/out/2026",
    "outputKeyArns": "arn:aws:kms:us-east-1:111122223333:key/5e6f7a8b-0000-4000-8000-000000000000",
    "characterPrices": "SNOMEDCT=0.0005",
}
# What the setting sources adds.
SOURCES = {
    "sources": "222233334444/us-east-1,222233334444/eu-west-1,333344445555/us-east-1",
    "lookupAccounts": "222233334444",
}
# Everything that adds a resource, a permission or an alarm.
FULL = {
    "chatDigests": "true",
    "includeJobDetails": "true",
    "digestEmails": "a@example.org",
    "alertEmails": "b@example.org",
    **OUTPUTS,
    **SOURCES,
}
