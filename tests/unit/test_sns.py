"""A message as SNS takes it, and its size."""

import pytest

from jobledger.sns import Notification

BARE = Notification({"default": "é"})
FULL = Notification(
    {"default": "é", "email": "b"}, subject="ab", attributes={"Kind": "x", "Of": ("y", "z")}
)


def test_a_message_of_one_body_is_sent_as_it_is():
    assert BARE.parameters() == {"Message": "é"}


def test_bodies_for_several_protocols_are_sent_as_json_without_spaces():
    assert FULL.parameters() == {
        "Message": '{"default":"é","email":"b"}',
        "MessageStructure": "json",
        "Subject": "ab",
        "MessageAttributes": {
            "Kind": {"DataType": "String", "StringValue": "x"},
            "Of": {"DataType": "String.Array", "StringValue": '["y", "z"]'},
        },
    }


@pytest.mark.parametrize(
    "notification, text",
    [
        (BARE, "é"),
        (FULL, '{"default":"é","email":"b"}abKindStringxOfString.Array["y", "z"]'),
    ],
)
def test_a_size_is_that_of_the_body_the_subject_and_the_attributes_in_utf8(notification, text):
    assert notification.size() == len(text.encode())
