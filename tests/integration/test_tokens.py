"""Tokens of the API: made and revoked on their page, good for what they were made for, and how much they may send."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone
from pytest_django.fixtures import Settings

from e2e_site.models import ApiToken
from e2e_site.shared import Recent
from e2e_site.tokens import MOST_OF_A_USER, Caller, SpentError, _caller, caller_of, digest_of, revoke, spend
from tests.support.api import Api, refusal, token_of, user_with
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db

SEND, OPERATE = "commands.add_testcommand", "commands.operate_command"


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def shown_token(response: Any) -> str:
    """The token that the page shows once."""
    (found,) = re.findall(r"<pre[^>]* id=\"token\"[^>]*>(cbt_[\w-]+)</pre>", response.text)
    return str(found)


def test_a_user_makes_a_token_sees_it_once_and_calls_the_api_with_it(settings: Settings) -> None:
    settings.PUBLIC_READ = False
    user = user_with(SEND, OPERATE)
    client = logged_in(user)
    assert "You have no token" in client.get("/tokens/").text
    made = client.post("/tokens/", {"name": "nightly run", "lasts": "30", "permissions": [SEND]})
    assert made.status_code == 200
    assert "no-store" in made["Cache-Control"]
    text = shown_token(made)
    assert Api(text).get("/commands").status_code == 200
    caller = caller_of(text)
    assert caller is not None
    assert [caller.may(right) for right in (SEND, OPERATE)] == [True, False]
    page = client.get("/tokens/").text
    assert text not in page
    assert "nightly run" in page
    assert text[:10] in page
    row = ApiToken.objects.get()
    assert bytes(row.digest) == digest_of(text)
    assert row.expires_at is not None
    assert row.expires_at - row.created_at == timedelta(days=30)
    with connection.cursor() as cursor:
        cursor.execute("SELECT e2e_api_token::text FROM public.e2e_api_token")
        assert text not in str(cursor.fetchall())
    assert LogEntry.objects.get().change_message == f"Made token {text[:10]}… ({SEND})."


def test_a_token_without_rights_and_without_an_end_is_for_reading() -> None:
    user = user_with(SEND)
    text = shown_token(logged_in(user).post("/tokens/", {"name": "watch"}))
    caller = caller_of(text)
    assert caller is not None
    assert not caller.may(SEND)
    assert ApiToken.objects.get().expires_at is None


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"name": ""}, "name must say what the token is for."),
        ({"name": "x" * 101}, "name must be at most 100 characters."),
        ({"name": "x", "lasts": "8"}, "lasts must be 7, 30, 90 or 365 days, or empty for no end."),
        ({"name": "x", "permissions": [OPERATE]}, f"permissions must be rights that you have: {SEND}."),
        ({"name": "x", "permissions": ["auth.add_user"]}, f"permissions must be rights that you have: {SEND}."),
    ],
)
def test_a_token_that_cannot_be_made_says_why(sent: dict[str, Any], says: str) -> None:
    response = logged_in(user_with(SEND)).post("/tokens/", sent)
    assert response.status_code == 400
    assert says in response.text
    assert not ApiToken.objects.exists()


def test_the_same_form_again_makes_no_second_token() -> None:
    client = logged_in(user_with())
    assert client.post("/tokens/", {"name": "watch"}).status_code == 200
    again = client.post("/tokens/", {"name": "watch"})
    assert again.status_code == 409
    assert "You have a token of this name already" in again.text
    assert ApiToken.objects.count() == 1


def test_fifty_are_the_most_of_one_user_and_a_revoked_one_makes_room() -> None:
    user = user_with()
    for _ in range(MOST_OF_A_USER):
        token_of(user)
    client = logged_in(user)
    assert 'id="full"' in client.get("/tokens/").text
    response = client.post("/tokens/", {"name": "one more"})
    assert response.status_code == 409
    assert "You have 50 tokens, which is the most" in response.text
    first = ApiToken.objects.order_by("token_id")[0]
    assert client.post(f"/tokens/{first.pk}/revoke/").status_code == 302
    assert client.post("/tokens/", {"name": "one more"}).status_code == 200


def test_making_and_revoking_for_ever_fills_no_table() -> None:
    user = user_with()
    for _ in range(MOST_OF_A_USER + 5):
        token_of(user, revoked_at=timezone.now())
    logged_in(user).post("/tokens/", {"name": "new"})
    assert ApiToken.objects.count() == MOST_OF_A_USER + 1


def test_its_owner_revokes_it_after_a_question() -> None:
    user = user_with()
    client, text = logged_in(user), token_of(user)
    token = ApiToken.objects.get()
    asked = client.get(f"/tokens/{token.pk}/revoke/")
    assert "Revoke the token" in asked.text
    assert caller_of(text) is not None
    assert client.post(f"/tokens/{token.pk}/revoke/")["Location"] == "/tokens/"
    assert caller_of(text) is None
    assert "was revoked already" in client.post(f"/tokens/{token.pk}/revoke/", follow=True).text
    assert LogEntry.objects.filter(change_message__startswith="Revoked token").count() == 1


def test_a_token_of_another_user_is_not_there() -> None:
    token_of(user_with())
    number = ApiToken.objects.get().pk
    client = logged_in(user_with(name="eve"))
    for response in (client.get(f"/tokens/{number}/revoke/"), client.post(f"/tokens/{number}/revoke/")):
        assert response.status_code == 404
    assert client.get("/tokens/all/").status_code == 403
    assert client.get(f"/tokens/{2**70}/revoke/").status_code == 404
    assert ApiToken.objects.get().revoked_at is None


def test_who_may_sees_the_tokens_of_all_users_and_revokes_them() -> None:
    for name in ("ada", "bob"):
        token_of(user_with(name=name), name=f"of {name}")
    watcher = logged_in(user_with("e2e_site.view_apitoken", name="watcher"))
    page = watcher.get("/tokens/all/").text
    assert "of ada" in page
    assert "of bob" in page
    assert "Revoke…" not in page
    number = ApiToken.objects.get(name="of bob").pk
    assert watcher.post(f"/tokens/{number}/revoke/").status_code == 403
    admin = logged_in(user_with("e2e_site.view_apitoken", "e2e_site.change_apitoken", name="root"))
    assert "Revoke…" in admin.get("/tokens/all/?user=bob").text
    assert "of ada" not in admin.get("/tokens/all/?user=bob").text
    assert admin.post(f"/tokens/{number}/revoke/")["Location"] == "/tokens/all/"
    assert f'id="token-{number}"' not in admin.get("/tokens/all/").text


def test_the_list_of_all_tokens_has_pages() -> None:
    user = user_with()
    for number in range(60):
        token_of(user, name=f"no {number}")
    client = logged_in(user_with("e2e_site.view_apitoken", name="root"))
    page = client.get("/tokens/all/")
    (older,) = re.findall(r'rel="next" href="\?(before=\d+)"', page.text)
    assert len(re.findall(r'<tr id="token-', page.text)) == 50
    assert len(re.findall(r'<tr id="token-', client.get(f"/tokens/all/?{older}").text)) == 10
    assert client.get("/tokens/all/?before=x").status_code == 404
    with CaptureQueriesContext(connection) as few:
        client.get("/tokens/all/?user=ada")
    assert len(few) <= 12


def test_a_deleted_or_inactive_user_has_no_tokens() -> None:
    user = user_with()
    texts = [token_of(user), token_of(user)]
    user.is_active = False
    user.save()
    assert caller_of(texts[0]) is None
    user.is_active = True
    user.save()
    assert caller_of(texts[0]) is not None
    user.delete()
    assert caller_of(texts[0]) is None
    assert not ApiToken.objects.exists()


def test_a_right_that_its_owner_loses_the_token_loses_too() -> None:
    user = user_with(SEND)
    text = token_of(user, SEND)
    user.user_permissions.clear()
    caller = caller_of(text)
    assert caller is not None
    assert not caller.may(SEND)


@override_settings(SHARED_FOR_S=0.2)
def test_other_processes_refuse_a_revoked_token_when_their_moment_is_over() -> None:
    text = token_of(user_with())
    elsewhere: Recent[bytes, Caller] = Recent(_caller, most=10)
    assert elsewhere.get(digest_of(text)) is not None
    revoke(ApiToken.objects.get())
    began = time.monotonic()
    wait_until(lambda: elsewhere.get(digest_of(text)) is None, timeout=2)
    assert time.monotonic() - began < 1


def test_the_last_use_is_written_once_a_minute() -> None:
    text = token_of(user_with())
    with CaptureQueriesContext(connection) as first:
        caller_of(text)
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert (used.second, used.microsecond) == (0, 0)
    ApiToken.objects.update(last_used_at=timezone.now())
    with CaptureQueriesContext(connection) as second:
        caller_of(text)
    assert [len(first), len(second)] == [2, 1]
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    caller_of(text)
    now_used = ApiToken.objects.get().last_used_at
    assert now_used is not None
    assert now_used >= used


def test_a_token_sends_what_it_may_and_then_is_told_when_to_come_again(settings: Settings) -> None:
    settings.SEND_PER_MINUTE = 600
    token_of(user_with(SEND), SEND)
    token = ApiToken.objects.select_related("user").get()
    caller = Caller(user=token.user, token=token)
    spend(caller, 400)
    spend(caller, 250)  # one that takes more than are left is let through, and owes them
    with pytest.raises(SpentError) as refused:
        spend(caller, 1)
    assert 5 <= refused.value.retry_after <= 6
    with connection.cursor() as cursor:
        cursor.execute("UPDATE public.e2e_api_token_budget SET at = at - interval '6 seconds'")
    spend(caller, 1)
    spend(Caller(user=token.user), 10**9)  # a login has no such limit
    settings.SEND_PER_MINUTE = 0
    spend(caller, 10**9)


def test_a_full_budget_grows_no_further(settings: Settings) -> None:
    settings.SEND_PER_MINUTE = 60
    token_of(user_with())
    token = ApiToken.objects.select_related("user").get()
    caller = Caller(user=token.user, token=token)
    spend(caller, 1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE public.e2e_api_token_budget SET at = at - interval '1 day'")
    spend(caller, 60)
    with pytest.raises(SpentError):
        spend(caller, 1)


def test_the_api_answers_429_and_when_to_come_again(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.support.sending_api"
    settings.SEND_PER_MINUTE = 60
    headers = {"authorization": f"Bearer {token_of(user_with(SEND), SEND)}"}
    assert Client().post("/api/test/commands?count=60", headers=headers).json() == {"sent": 60}
    response = Client().post("/api/test/commands?count=1", headers=headers)
    assert refusal(response, 429)["code"] == "too_many"
    assert response["Retry-After"] == "1"


def spent_at_once(url: str, token_id: int, per_minute: int, times: int) -> int:
    """How many of so many calls for one command each were let through, by eight connections at once."""

    def sender(_: int) -> int:
        with psycopg.connect(url, autocommit=True) as conn:
            ask = "SELECT public.e2e_token_spend(%s, 1, %s)"
            found = [conn.execute(ask, [token_id, per_minute]).fetchone() for _ in range(times // 8)]
            return sum(row == (0,) for row in found)

    with ThreadPoolExecutor(max_workers=8) as pool:
        return sum(pool.map(sender, range(8)))


def test_the_budget_is_one_for_all_processes(committed: str, request: pytest.FixtureRequest) -> None:
    with psycopg.connect(committed, autocommit=True) as conn:
        request.addfinalizer(lambda: _forget_budgets(committed))
        conn.execute("TRUNCATE public.e2e_api_token_budget")
        began = time.monotonic()
        let_through = spent_at_once(committed, 7, 240, 800)
        grown = (time.monotonic() - began) * 240 / 60
        assert 240 <= let_through <= 240 + grown + 1


def _forget_budgets(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("TRUNCATE public.e2e_api_token_budget")
