"""Saved views: whose they are, what of an address they keep, and how many there may be."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django.fixtures import Settings

from commands.pages.saved_views import LISTS, LONGEST_QUERY, MOST
from e2e_site.models import SavedView
from tests.integration.test_pages import text
from tests.support.api import user_with

pytestmark = pytest.mark.django_db

QUERY = "?status=FAILED&code=E+1"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def client_of_user() -> Callable[[str], Client]:
    def client(name: str) -> Client:
        client = Client()
        client.force_login(user_with(name=name))
        return client

    return client


@pytest.fixture
def ada(client_of_user: Callable[[str], Client]) -> Client:
    return client_of_user("ada")


def save(client: Client, name: str = "Failed", page: str = "commands", query: str = QUERY) -> str:
    """What the page says that comes after it."""
    return text(client.post("/views/save/", {"page": page, "name": name, "query": query}, follow=True).text)


def test_a_saved_view_stands_beside_the_filter_and_leads_to_the_same_list(ada: Client) -> None:
    assert "Save this view" not in ada.get("/commands/").text
    assert f'name="query" value="{escape(QUERY)}"' in ada.get(f"/commands/{QUERY}&before=7").text
    said = save(ada)
    assert "Saved as “Failed”. Its link is this page&#x27;s address." in said
    page = ada.get("/commands/").text
    assert f'<a class="chip" href="/commands/{escape(QUERY)}"><span class="wrap-anywhere"><bdi>Failed</bdi>' in page
    here = ada.get(f"/commands/{QUERY}").text
    assert f'href="/commands/{escape(QUERY)}" aria-current="page"' in here
    assert "Save this view" not in here
    assert "saved-views" not in ada.get("/tsq/").text


@pytest.mark.parametrize(
    ("page", "query", "kept"),
    [
        ("commands", "?before=7&status=FAILED&status=CANCELED&id=", "?status=FAILED&status=CANCELED"),
        ("tsq", "code=E&text=x%20y&before=z&hidden=1", "?code=E&text=x+y"),
        ("audit", "?event=SENT&operator=ada&format=csv&size=50", "?event=SENT&operator=ada&size=50"),
    ],
)
def test_the_filter_is_kept_and_nothing_else_of_the_address(ada: Client, page: str, query: str, kept: str) -> None:
    save(ada, page=page, query=query)
    assert [(view.page, view.query) for view in SavedView.objects.all()] == [(page, kept)]
    assert ada.get(f"{ {'commands': '/commands/', 'tsq': '/tsq/', 'audit': '/audit/'}[page] }{kept}").status_code == 200


def test_views_are_their_users_alone(client_of_user: Callable[[str], Client], ada: Client) -> None:
    save(ada)
    view = SavedView.objects.get()
    eve = client_of_user("eve")
    assert "Failed" not in text(eve.get("/views/").text)
    for do in ("rename", "delete"):
        assert eve.post(f"/views/{view.pk}/", {"do": do, "name": "Mine"}).status_code == 404
    assert "Saved as" in save(eve)  # of the same name
    assert SavedView.objects.get(pk=view.pk).name == "Failed"


def test_a_view_is_renamed_and_deleted(ada: Client) -> None:
    save(ada)
    save(ada, name="Other")
    view = SavedView.objects.get(name="Failed")

    def change(**data: str) -> str:
        return text(ada.post(f"/views/{view.pk}/", data, follow=True).text)

    assert "The view is called “Broken” now." in change(do="rename", name=" Broken ")
    assert "You have a view “Other” of this list already." in change(do="rename", name="Other")
    assert "The view keeps its name. A view needs a name." in change(do="rename", name=" ")
    assert "do must be rename or delete" in change(do="sing")
    assert "The view “Broken” is deleted." in change(do="delete")
    assert [view.name for view in SavedView.objects.all()] == ["Other"]
    assert ada.post(f"/views/{view.pk}/", {"do": "delete"}).status_code == 404


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": ""}, "A view needs a name."),
        ({"name": "x" * 61}, "The name of a view has at most 60 characters."),
        ({"page": "queue"}, f"page must be one of {', '.join(LISTS)}."),
        ({"query": "?before=7"}, "The list is not filtered: there is nothing to save."),
        ({"query": "?code=" + "x" * LONGEST_QUERY}, "The filter of a view has at most 2,000 characters"),
        ({"query": "&".join(["status=FAILED"] * 2000)}, "query must be that of the list&#x27;s address."),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_is_told(ada: Client, data: dict[str, str], said: str) -> None:
    assert f"The view was not saved. {said}" in save(ada, **data)
    assert not SavedView.objects.exists()


def test_a_name_is_used_once_a_list_and_a_user_has_so_many_views_at_most(ada: Client) -> None:
    save(ada)
    assert "You have a view “Failed” of this list already." in save(ada)
    assert "Saved as" in save(ada, page="audit", query="?event=SENT")
    user = SavedView.objects.all()[0].user
    more = [SavedView(user=user, page="tsq", name=str(number), query="?code=E") for number in range(MOST - 2)]
    SavedView.objects.bulk_create(more)
    assert f"You have {MOST} views already: delete one first." in save(ada, name="One more")
    assert SavedView.objects.count() == MOST


def test_who_is_not_logged_in_saves_nothing_and_a_form_needs_its_token(ada: Client) -> None:
    anonymous = Client()
    assert "saved-views" not in anonymous.get(f"/commands/{QUERY}").text
    for answer in (anonymous.get("/views/"), anonymous.post("/views/save/", {}), anonymous.post("/views/1/", {})):
        assert answer["Location"].startswith("/login/")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ada.cookies
    assert strict.post("/views/save/", {"page": "commands", "name": "x", "query": QUERY}).status_code == 403
