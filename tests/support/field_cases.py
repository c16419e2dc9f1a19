"""The field cases: responses of products that are compatible with Prometheus, in tests/data/field."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.support.scripted_server import build_http_response

FIELD_DIR = Path(__file__).parents[1] / "data" / "field"


@dataclass(frozen=True)
class FieldResponse:
    """The status and the body of a response, and what this program must make of it."""

    status: int
    body: bytes
    right: str

    def encode(self) -> bytes:
        """Return the bytes of the response."""
        return build_http_response(self.body, f"{self.status} {HTTPStatus(self.status).phrase}")


def load_field_response(name: str) -> FieldResponse:
    """Return the response of a case; a body that is not JSON is written as text."""
    case = json.loads((FIELD_DIR / f"{name}.json").read_text(encoding="utf-8"))
    body = case["body"]
    return FieldResponse(case["status"], (body if isinstance(body, str) else json.dumps(body)).encode(), case["right"])
