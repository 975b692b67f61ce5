"""The tests' own check of signatures, on requests that AWS has published (aws-sig-v4-test-suite)."""

import pytest

from testing.sigv4 import canonical_query, canonical_request, refusal, signature

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TIME = "20150830T123600Z"
HOST = "example.amazonaws.com"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
FORM = "application/x-www-form-urlencoded"
SUITE = [
    ("GET", "/", {}, b"", VANILLA),
    ("GET", "/example/..", {}, b"", VANILLA),
    ("GET", "//", {}, b"", VANILLA),
    ("GET", "//example//", {}, b"", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ("GET", "/example space/", {}, b"", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ("GET", "/ሴ", {}, b"", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("GET", f"/{UNRESERVED}", {}, b"", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("GET", "/?Param2=value2&Param1=value1", {}, b"", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("GET", "/?Param1=value2&Param1=Value1", {}, b"", "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"),
    ("GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", {}, b"", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
    ("GET", f"/?{UNRESERVED}={UNRESERVED}", {}, b"", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ("GET", "/?ሴ=bar", {}, b"", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("GET", "/", {"x-amz-security-token": TOKEN}, b"", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    ("POST", "/", {"my-header1": "value1"}, b"", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ("POST", "/", {"content-type": FORM}, b"Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
]  # fmt: skip


@pytest.mark.parametrize("method, target, headers, body, expected", SUITE)
def test_the_published_requests_have_the_published_signatures(
    method, target, headers, body, expected
):
    headers = {"host": HOST, "x-amz-date": TIME, **headers}
    canonical = canonical_request(method, target, headers, sorted(headers), body)
    assert signature(canonical, SECRET, TIME, "us-east-1", "service") == expected


def test_a_query_has_one_canonical_form():
    query = "b=%7e&a=%c3%a9 /:&a=1=2+3&c&A="
    assert canonical_query(query) == "A=&a=%C3%A9%20%2F%3A&a=1%3D2%2B3&b=~&c="


def test_a_request_without_a_signature_and_one_of_another_day_are_refused():
    headers = {"host": HOST, "x-amz-date": TIME}
    assert refusal("GET", "/", headers, b"") == "Missing Authentication Token"
    signed = "AWS4-HMAC-SHA256 Credential=test/20150830/us-east-1/execute-api/aws4_request"
    headers["authorization"] = f"{signed}, SignedHeaders=host;x-amz-date, Signature={VANILLA}"
    assert refusal("GET", "/", headers, b"") == "Signature expired."
