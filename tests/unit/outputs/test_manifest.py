"""What a manifest and a list of files say, and that nothing else of them is kept."""

import json
import tracemalloc

import pytest

from jobledger.errors import ManifestInvalid, ObjectTooLarge
from jobledger.ledger.output import Output
from jobledger.outputs import manifest as module
from jobledger.outputs.manifest import read_codes, read_manifest

DOCUMENTED = {
    "Status": "COMPLETED",
    "JobType": "SNOMEDCTInference",
    "InputDataConfiguration": {"Bucket": "in", "Path": "files"},
    "OutputDataConfiguration": {"Bucket": "out", "Path": "results"},
    "InputFileCount": 400,
    "TotalMeteredCharacters": 123456,
    "UnprocessedFilesCount": 12,
    "SuccessFilesCount": 388,
    "TotalDurationSeconds": 31,
    "SuccessfulFilesListLocation": "results/Manifest_1-SNOMEDCTInference-2/success/list",
    "UnprocessedFilesListLocation": "results/Manifest_1-SNOMEDCTInference-2/failed/list",
    "FailedJobErrorMessage": "",
}
FIELDS = {
    "InputFileCount": "input_files",
    "SuccessFilesCount": "success_files",
    "UnprocessedFilesCount": "unprocessed_files",
    "TotalMeteredCharacters": "characters",
    "TotalDurationSeconds": "seconds",
}
MOST, LONG = 10**15, "9" * 5000
WHOLE = {"0": 0, "7": 7, "7.0": 7, "1e3": 1000, "1e15": MOST, f"{MOST}": MOST}
WHOLE_TEXTS = {'"7"': 7, '"007"': 7, f'"{MOST}"': MOST}
NO_NUMBERS = [
    *(f"{MOST + 1}", f'"{MOST + 1}"', "1e999", LONG, f'"{LONG}"', "-1", "-0.5", "7.5", '"-1"'),
    *('"7.0"', '"+7"', '" 7"', '"٣"', '"1e3"', "null", "true", "[7]", '{"a": 7}', '""'),
    *('"\\ud800"', '"seven"'),
]


def summary(**members):
    return json.dumps({"Summary": members}).encode()


def test_a_manifest_as_aws_documents_it():
    read = read_manifest(summary(**DOCUMENTED))
    assert read.output == Output(400, 388, 12, 123456, 31)
    assert read.unprocessed_list == "results/Manifest_1-SNOMEDCTInference-2/failed/list"
    assert read.has_unprocessed


@pytest.mark.parametrize("name, field", FIELDS.items())
def test_a_number_is_whole_and_bounded_or_absent(name, field):
    for text, number in (WHOLE | WHOLE_TEXTS | dict.fromkeys(NO_NUMBERS)).items():
        data = summary(**{"Other": 1, "TotalMeteredCharacters": 5, "InputFileCount": 1, name: "@"})
        output = read_manifest(data.replace(b'"@"', text.encode())).output
        assert getattr(output, field) == number, text


def test_the_files_of_the_input_are_the_sum_of_the_others_when_they_are_absent():
    both = {"SuccessFilesCount": 5, "UnprocessedFilesCount": "2"}
    assert read_manifest(summary(**both)).output.input_files == 7
    assert read_manifest(summary(**both, InputFileCount=9)).output.input_files == 9
    assert read_manifest(summary(SuccessFilesCount=5)).output.input_files is None
    most = dict.fromkeys(both, 10**15)
    assert read_manifest(summary(**most)).output.input_files is None


def test_one_number_of_files_or_characters_makes_a_manifest():
    for name in list(FIELDS)[:4]:
        assert read_manifest(summary(**{name: 0})).output != Output()


def test_a_list_is_read_when_files_are_unprocessed_or_only_its_location_is_known():
    for number, location, has in (
        *((1, None, True), (1, "a", True), (0, "a", False)),
        *((None, "a", True), (None, "", False), (None, None, False), (None, ["a"], False)),
    ):
        members = {"UnprocessedFilesCount": number, "UnprocessedFilesListLocation": location}
        assert read_manifest(summary(TotalMeteredCharacters=5, **members)).has_unprocessed is has


def listed(*codes, **more):
    files = [{"Input": "a/b.txt", "ErrorCode": code, "ErrorMessage": "no"} for code in codes]
    return json.dumps({"Files": files, **more}).encode()


def test_codes_are_counted_with_the_most_frequent_first():
    counts = read_codes(listed("B", "A", "C", "C", "B", "C", "D.e:f-g_9"))
    assert list(counts.items()) == [("C", 3), ("B", 2), ("A", 1), ("D.e:f-g_9", 1)]
    assert read_codes(listed()) == {}


def test_only_twenty_codes_are_named_and_the_others_are_counted_together():
    codes = [f"Code{number}" for number in range(10_000)] + ["Code7"] * 5 + ["OTHER"]
    counts = read_codes(listed(*codes))
    assert (len(counts), sum(counts.values())) == (21, 10_006)
    assert next(iter(counts.items())) == ("Code7", 6)
    assert list(counts.items())[-1] == ("OTHER", 9_981)


def test_more_distinct_codes_than_are_kept_are_counted_together(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CODES", 2)
    assert read_codes(listed("A", "B", "C", "A", "C", "D")) == {"A": 2, "B": 1, "OTHER": 3}


@pytest.mark.parametrize(
    "file",
    [
        *({"Input": "a"}, {"ErrorCode": None}, {"ErrorCode": 7}, {"ErrorCode": ["A"]}, {}),
        *({"ErrorCode": ""}, {"ErrorCode": "a b"}, {"ErrorCode": "a/b"}, {"ErrorCode": "ä"}),
        *({"ErrorCode": "A\n"}, {"ErrorCode": "A" * 65}, {"ErrorCode": "\ud800"}),
        {"Input": "s3://in/ward-7.txt", "ErrorCode": "ward-7.txt"},
        {"Input": "a" * 10_000, "ErrorCode": "A"},
    ],
)
def test_what_is_no_code_is_counted_as_other(file):
    known = {"Input": 5, "ErrorCode": "A"}
    assert read_codes(json.dumps({"Files": [known, file]}).encode()) == {"A": 1, "OTHER": 1}


def test_a_lone_surrogate_beside_the_codes_is_replaced_wherever_parts_of_the_list_meet(monkeypatch):
    data = rb'{"Files": [{"Input": "\ud800", "ErrorCode": "A", "ErrorMessage": "\\ud800 \uD83D\uDE00"}]}'
    for size in (module._PART, *range(1, 40)):
        monkeypatch.setattr(module, "_PART", size)
        assert read_codes(data) == {"A": 1}


# What is neither, and what is not the one or the other: a document, and one in an encoding that JSON does not have.
NEITHER = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"7",
    b'"text"',
    b"<html>",
    b"\x00",
    b"\xff",
    b"\x1f\x8b\x08\x00",
]
NEITHER += [b"[" * 1_000_000]
NO_MANIFEST = [
    *(b'{"Summary": ', b'{"Summary": null}', b'{"Summary": []}', b'{"Summary": {}}'),
    *(b'{"Summary": "a"}', b'{"Summary":' * 100_000),
    *(summary(TotalDurationSeconds=5), summary(Status="COMPLETED"), summary(InputFileCount=-1)),
    *(b'{"InputFileCount": 5}', b'{"summary": {"InputFileCount": 5}}'),
    *(b'{"Summary": {"InputFileCount": NaN}}', b'{"Summary": {"InputFileCount": Infinity}}'),
    b'{"Summary": {"InputFileCount": 5, "Status": "\xe4"}}',
]
NO_LIST = [
    *(
        b'{"Files": [',
        b'{"Files": null}',
        b'{"Files": {}}',
        b'{"files": []}',
        b'{"Files": [' * 9999,
    ),
    *(b'{"Files": [{"ErrorCode": NaN}]}', b'{"Files": [{"Input": "\xe4"}]}'),
    *(
        b'{"Files": [[]]}',
        b'{"Files": ["A"]}',
        b'{"Files": [null]}',
        b'{"Files": [' + b"[" * 100_000,
    ),
]


@pytest.mark.parametrize(
    "read, good, bad",
    [(read_manifest, summary(InputFileCount=5), NO_MANIFEST), (read_codes, listed("A"), NO_LIST)],
)
def test_what_is_no_manifest_or_no_list_is_an_error(read, good, bad):
    text = good.decode()
    others = [b"\xef\xbb\xbf" + good, *map(text.encode, ("utf-16", "utf-32-le")), good + b"}"]
    for data in [*NEITHER, *others, *bad]:
        try:
            found = read(data)
        except ManifestInvalid:
            continue
        pytest.fail(f"{data[:30]!r} is {found}")


def test_a_list_of_more_files_than_a_job_can_have_is_too_large(monkeypatch):
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    assert read_codes(listed("A", "A", "A")) == {"A": 3}
    with pytest.raises(ObjectTooLarge):
        read_codes(listed("A", "A", "A", "A"))


def test_no_error_quotes_what_was_read():
    for read in (read_manifest, read_codes):
        with pytest.raises(ManifestInvalid) as refused:
            read(b'{"Summary": "canary", "Files": "canary"}')
        assert "canary" not in f"{refused.value}"


_LONE = rb"xy\ud800"


@pytest.mark.slow
@pytest.mark.parametrize(
    "before, repeated, after",
    [
        (b'{"Files":[{}', b',{"ErrorCode":"A"}', b"]}"),
        (b'{"Files":[{"ErrorMessage":"', _LONE, b'"}]}'),
        (b'{"Files":[{"Input":"%s"' % _LONE, b',"Input":"%s"' % _LONE, b"}]}"),
        (b'{"Files":[{"Input":"\xf0\x9f\x98\x80', b"a", b'"}]}'),
        (b'{"Files":[{"ErrorCode":[[]', b",[[[[[[]]]]]]", b"]}]}"),
        (b'{"Files":[{"ErrorMessage":[{}', b",{}", b"]}]}"),
    ],
    ids=["files", "surrogates", "members", "wide letters", "lists", "objects"],
)
def test_a_list_takes_a_bounded_memory_beside_itself(before, repeated, after, monkeypatch):
    """It depends on the size of a part, not of the list: as objects or as decoded text, each has over 8 MB."""
    monkeypatch.setattr(module, "_PART", module._PART // 8)
    number = 2**21 // len(repeated)
    data = bytearray(before) + repeated * number + after
    tracemalloc.start()
    counts = read_codes(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts == {"OTHER": 1} | ({"A": number} if b"A" in repeated else {})
    assert peak < 6 * 2**20
