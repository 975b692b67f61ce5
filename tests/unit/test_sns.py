"""A message as SNS takes it, and its size."""

from jobledger.sns import Notification

BARE = Notification({"default": "é"})
FULL = Notification(
    {"default": "é", "email": "b"}, subject="ab", attributes={"Kind": "x", "Of": ("y", "z")}
)


def test_one_body_is_sent_as_it_is_and_several_as_json_without_spaces():
    assert BARE.parameters() == {"Message": "é"}
    kind = {"DataType": "String", "StringValue": "x"}
    several = {"DataType": "String.Array", "StringValue": '["y", "z"]'}
    assert FULL.parameters() == {
        "Message": '{"default":"é","email":"b"}', "MessageStructure": "json", "Subject": "ab",
        "MessageAttributes": {"Kind": kind, "Of": several},
    }  # fmt: skip


def test_a_size_is_that_of_the_body_the_subject_and_the_attributes_in_utf8():
    assert BARE.size() == len("é".encode())
    text = '{"default":"é","email":"b"}abKindStringxOfString.Array["y", "z"]'
    assert FULL.size() == len(text.encode())
