"""The API as a program meets it: JSON in and out, by token or by a login."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.test import Client
from django.utils.crypto import get_random_string

from e2e_site.models import ApiToken
from e2e_site.problem import CONTENT_TYPE
from e2e_site.tokens import PREFIX, digest_of

ALL = (
    *("commands.add_testcommand", "commands.operate_command", "settings_app.change_configuration"),
    "bench.add_benchrun",
)


def user_with(*permissions: str, name: str = "ada") -> User:
    """A user with these rights ("app.codename") and no others."""
    user = User.objects.create_user(name)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return User.objects.get(pk=user.pk)


def token_of(user: User, *permissions: str, **more: Any) -> str:
    """A token of this user that is good for these rights."""
    token = PREFIX + get_random_string(40)
    values = {"name": "test", "prefix": token[:8], "digest": digest_of(token), "created_at": Now(), **more}
    ApiToken.objects.create(user=user, permissions=list(permissions), **values)
    return token


@dataclass
class Api:
    """Calls the operations below ``/api/v1``; a body is sent as JSON, or as it is where it is text or bytes."""

    token: str = ""
    client: Client = field(default_factory=Client)

    def get(self, path: str, query: Any = None, **headers: str) -> Any:
        return self.client.get(f"/api/v1{path}", query, headers=self._headers(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("POST", path, body, headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("PUT", path, body, headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self._send("DELETE", path, None, headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = body if isinstance(body, (str, bytes)) else b"" if body is None else json.dumps(body)
        kind = headers.pop("content_type", "application/json")
        return self.client.generic(method, f"/api/v1{path}", data, kind, headers=self._headers(headers))

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"authorization": f"Bearer {self.token}", **named} if self.token else named


def refusal(response: Any, status: int) -> dict[str, Any]:
    """The problem details of a refused request; fails where they are not in their shape."""
    assert response.status_code == status, response.content.decode()
    assert response["Content-Type"] == CONTENT_TYPE
    body: dict[str, Any] = json.loads(response.content)
    assert body.keys() == {"type", "title", "status", "code", "detail", "errors"}
    assert body["status"] == status
    return body
