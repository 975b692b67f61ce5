"""The records of DynamoDB streams, which outlive a restart."""

from __future__ import annotations

import copy
from typing import Any

from ministack.services import dynamodb


def keep_streams() -> None:
    """Let MiniStack save the records of DynamoDB streams with its other state (PERSIST_STATE=1).

    It saves how far each event source mapping has read, and not the records: after a restart it would skip
    as many new records as there were old ones.
    """
    names = ("_stream_records", "_stream_trimmed")
    state_of_tables, load_tables = dynamodb.get_state, dynamodb.load_persisted_state

    def get_state() -> dict[str, Any]:
        streams = {name: copy.deepcopy(getattr(dynamodb, name)) for name in names}
        state: dict[str, Any] = state_of_tables() | streams
        return state

    def load(state: dict[str, Any]) -> None:
        load_tables(state)
        for name in names:
            getattr(dynamodb, name).update(state.get(name, {}))

    dynamodb.get_state, dynamodb.load_persisted_state = get_state, load
