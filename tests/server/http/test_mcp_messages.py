"""Any message at /mcp gets an answer of the protocol, never a failure of the server."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aggregator.mcp.server import INTERNAL_ERROR_TEXT
from aggregator.mcp.tools import TOOLS
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.server.running_servers import ServerPorts
from tests.support.http_client import send_request

HEADERS = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
NAMES = sorted({name for tool in TOOLS for name in tool.__struct_fields__})
TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["nodes", "pods", "icos-cluster-a", "phase=Running", "-1h", "3", "name"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
CALLS = st.fixed_dictionaries(
    {
        "name": st.sampled_from([tool.name for tool in TOOLS]),
        "arguments": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
    }
)
MESSAGES = st.builds(
    lambda params: {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, CALLS | VALUES
)


@fuzz_examples(60)
@given(message=MESSAGES | VALUES)
def test_any_message_is_answered(ports: ServerPorts, message: Any) -> None:
    """No message causes a failure of the server or of a tool."""
    answer = send_request(ports.http, "/mcp", "POST", HEADERS, json.dumps(message).encode())
    assert answer.status < 500
    assert INTERNAL_ERROR_TEXT not in answer.body.decode()
