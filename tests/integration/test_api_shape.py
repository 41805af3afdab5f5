"""The API as a whole: its document, its page, and one shape for everything that it refuses."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.crypto import get_random_string
from pytest_django.fixtures import Settings  # type: ignore[attr-defined]

from e2e_site.models import ApiToken
from e2e_site.problem import CONTENT_TYPE
from e2e_site.tokens import PREFIX, digest_of

pytestmark = pytest.mark.django_db


def refusal(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == CONTENT_TYPE
    body: dict[str, Any] = json.loads(response.content)
    assert body.keys() == {"type", "title", "status", "code", "detail", "errors"}
    assert body["status"] == response.status_code
    return body


def token_of(user: User, *permissions: str) -> str:
    token = PREFIX + get_random_string(40)
    ApiToken.objects.create(
        user=user, name="test", prefix=token[:8], digest=digest_of(token), permissions=list(permissions),
        created_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return token


def test_an_address_where_nothing_is_is_a_problem(client: Client) -> None:
    assert refusal(client.get("/api/v1/nothing/here"))["code"] == "not_found"


def test_another_method_is_a_problem(client: Client) -> None:
    response = client.delete("/api/v1/commands")
    assert refusal(response)["code"] == "method_not_allowed"
    assert "GET" in response["Allow"]
