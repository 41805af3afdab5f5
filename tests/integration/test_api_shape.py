"""The API as a whole: its document, its page, and one shape for everything that it refuses."""

import json

import pytest
from django.db.models.functions import Now
from django.test import Client
from pytest_django.fixtures import Settings

from tests.support.api import ALL, Api, refusal, token_of, user_with

pytestmark = pytest.mark.django_db


def test_where_nothing_is_and_where_a_method_is_not_taken_the_answer_is_a_problem() -> None:
    assert refusal(Api().get("/nothing/here"), 404)["code"] == "not_found"
    response = Api().delete("/commands")
    assert refusal(response, 405)["code"] == "method_not_allowed"
    assert "GET" in response["Allow"]


def test_anonymous_callers_may_read_only_where_all_may(settings: Settings) -> None:
    settings.PUBLIC_READ = True
    assert Api().get("/commands").status_code == 200
    settings.PUBLIC_READ = False
    response = Api().get("/commands")
    assert refusal(response, 401)["code"] == "login_needed"
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_token_that_is_wrong_is_refused_where_all_may_read_too(settings: Settings) -> None:
    settings.PUBLIC_READ = True
    user = user_with(*ALL)
    revoked, over = token_of(user, revoked_at=Now()), token_of(user, expires_at="2026-01-01T00:00:00Z")
    for token in ("cbt_unknown", "another", revoked, over):
        refusal(Api(token).get("/commands"), 401)


def test_a_token_of_a_user_who_is_gone_is_refused() -> None:
    user = user_with()
    api = Api(token_of(user))
    assert api.get("/commands").status_code == 200
    user.is_active = False
    user.save()
    refusal(api.get("/commands"), 401)


def test_the_page_to_try_it_comes_from_the_site_alone(client: Client) -> None:
    response = client.get("/api/v1/docs")
    assert response.status_code == 200
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "https://" not in response.content.decode()


def test_the_document_says_of_each_operation_how_it_is_refused(client: Client) -> None:
    document = json.loads(client.get("/api/v1/openapi.json").content)
    assert document["openapi"].startswith("3.1")
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"401", "403", "503"} <= operation["responses"].keys()
            for status, answer in operation["responses"].items():
                if status >= "4":
                    assert list(answer["content"]) == ["application/problem+json"]
