"""`/digests`: the last digest, and digests on demand with their refusals."""

from jobledger.digest.claims import DigestState, DigestStateRow
from jobledger.errors import FunctionRefused, FunctionThrottled
from testing.api import running_api
from tests.unit.api.conftest import A_DIGEST


def publish(api, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.call("/digests", method="POST", body=body, headers=named)


def test_the_last_digest_is_shown_as_it_was_when_it_was_published(api):
    assert api.get("/digests").json == A_DIGEST == publish(api).json
    with running_api() as empty:
        answer = empty.get("/digests")
        assert (answer.status, answer.json["title"]) == (404, "ResourceNotFoundException")
        DigestStateRow(empty.ledger.table, empty.ledger.scope).save(DigestState())
        assert empty.get("/digests").status == 404, "one that is about to be published"


def test_a_digest_is_asked_for_with_what_was_sent(api):
    for body, *window in (
        (None,), ("",), (" {} ",),
        ('{"WindowStart":"2026-11-22T09:00:00+01:00","WindowEnd":"2026-11-23T08:00:00Z"}',
         "2026-11-22T08:00:00.000Z", "2026-11-23T08:00:00.000Z"),
        ('{"WindowStart":1700000000,"WindowEnd":"2026-11-23"}',
         "2023-11-14T22:13:20.000Z", "2026-11-23T00:00:00.000Z"),
    ):  # fmt: skip
        payload = dict(zip(("WindowStart", "WindowEnd"), window, strict=False))
        answer = publish(api, body, idempotency_key='"a b"')
        assert (answer.status, answer.json) == (200, A_DIGEST)
        assert api.asked.pop() == ("DIGEST_FUNCTION_NAME", payload | {"IdempotencyKey": "a b"})


def test_a_bad_digest_request_is_refused_and_nothing_is_asked(api):
    for body, wrong in (
        *((body, {"body"}) for body in ("[]", "null", "{", "\ufeff", "[" * 100_000)),
        ('{"WindowStart":' + "[" * 5_000, {"body"}),
        ('{"windowStart":1}', {"windowStart"}),
        ('{"WindowStart":1700000000}', {"WindowEnd"}),
        ('{"WindowStart":null,"WindowEnd":true}', {"WindowStart", "WindowEnd"}),
        ('{"WindowStart":[],"WindowEnd":{}}', {"WindowStart", "WindowEnd"}),
        ('{"WindowStart":1e400,"WindowEnd":"x"}', {"body"}),
        ('{"WindowStart":1e300,"WindowEnd":"x"}', {"WindowStart", "WindowEnd"}),
        ('{"WindowStart":1600000000,"WindowEnd":1600000000}', {"WindowStart"}),
        ('{"WindowStart":"0309-12-17","WindowEnd":"2026-11-23"}', {"WindowStart"}),
        ('{"WindowStart":"2026-11-22","WindowEnd":"2026-11-23T11:59:00Z"}', {"WindowEnd"}),
        ('{"WindowStart":3,"WindowEnd":2,"x":1}', {"WindowStart", "x"}),
    ):
        assert set(publish(api, body).wrong) == wrong, body[:60]
    assert api.asked == []


def test_an_idempotency_key_is_the_same_with_and_without_its_quotes(api):
    for key, sent in {"k": "k", '"k"': "k", '"': '"', '""': '""', '"half': '"half'}.items():
        assert publish(api, idempotency_key=key).status == 200
        assert api.asked.pop() == ("DIGEST_FUNCTION_NAME", {"IdempotencyKey": sent})


def test_an_error_that_the_digest_function_raises_or_returns_is_reported(api):
    for name, expected in {
        "IdempotencyKeyReused": (422, "InvalidRequestException"),
        "DigestInProgress": (409, "InvalidRequestException"),
        "InvalidWindow": (400, "ValidationException"),
        "PublishRefused": (503, "InternalServerException"),
        "ReadTimeoutError": (503, "InternalServerException"),
    }.items():
        # The function raises what operations have to see, and returns what callers have done wrong.
        for answered in (FunctionRefused(name), {"Error": name}):
            api.answer_of_function = answered
            answer = publish(api)
            assert (answer.status, answer.json["title"]) == expected
    # Too many at once.
    api.answer_of_function = FunctionThrottled("TooManyRequestsException")
    answer = publish(api)
    assert (answer.status, answer.json["title"]) == (429, "TooManyRequestsException")
    assert answer.headers["Retry-After"] == "5"
