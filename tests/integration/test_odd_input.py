"""What no page was made for, in every parameter, form and address: it is refused or passed over, and never a 500."""

from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from settings_app.models import Configuration
from settings_app.values import NAMES

pytestmark = pytest.mark.django_db

# As they stand in an address or in a form's body, percent-encoded: some are no text at all.
ODD = {
    "signaling NaN": "sNaN",
    "NaN with digits": "-NaN123",
    "infinity": "Infinity",
    "huge exponent": "1e999999999",
    "tiny exponent": "1e-999999999",
    "huge number": "9" * 5000,
    "many zeros": "0" * 5000,
    "just beyond 64 bits": str(2**63),
    "negative": "-1",
    "other digits": quote("١٢"),
    "NUL": "a%00b",
    "half a pair": "%ED%A0%80",
    "not UTF-8": "%FF%FE",
    "deep": "%5B" * 3000,
    "long": "x" * 20_000,
    "empty": "",
}
FEW = ("signaling NaN", "huge exponent", "huge number", "just beyond 64 bits", "NUL", "not UTF-8")  # for Django's own
PAGES = [
    "/?domain={0}",
    "/live/?domain={0}",
    "/send/?like={0}",
    "/send/outlooks/?execution_time_ms={0}&transient_failures={0}&max_attempts={0}&type={0}",
    "/send/many/?preset={0}",
    "/send/many/?like={0}",
    "/send/many/outlook/?count={0}&seed={0}&in_turn={0}&success-weight={0}&success-execution_time_ms={0}",
    "/operations/?before={0}&size={0}",
    "/operations/{0}/",
    "/loadtests/?before={0}",
    "/audit/?event={0}&id={0}&operator={0}&operation={0}&from={0}&to={0}&domain={0}",
    "/audit/?text={0}",
    "/audit/?before={0}&size={0}",
    "/audit/?from={0}",
    "/audit/export/?format={0}",
    "/audit/actions/?operator={0}",
    "/audit/actions/?before={0}",
    "/audit/{0}/",
    "/replies/?id={0}&before={0}",
    "/rejected/?before={0}",
    "/rejected/{0}/",
    "/login/?next={0}",
    "/tokens/all/?before={0}",
    "/tokens/all/?user={0}",
    "/tokens/{0}/revoke/",
    "/commands/{0}/",
    "/commands/?id={0}&from={0}&to={0}&attempts={0}&correlation={0}&operation={0}&status={0}&domain={0}&size={0}",
    "/commands/?code={0}&type={0}&behavior={0}&payload={0}",
    "/commands/?payload=%7B%22a%22:{0}%7D",
    "/commands/?before={0}",
    "/commands/?status=IN_TROUBLESHOOTING_QUEUE&before={0}.{0}",
    "/commands/live/?id={0}&after={0}",
    "/commands/find/?q={0}",
    "/commands/export/?format={0}",
    "/loadtests/{0}/",
    "/admin/commands/testcommand/?q={0}",
    "/admin/commands/testcommand/?p={0}",
    "/admin/commands/command/{0}/change/",
    "/admin/commands/auditevent/{0}/change/",
]
ADMIN_PAGES = [
    *(f"/admin/auth/user/?{name}={{0}}" for name in ("q", "o", "username", "is_staff__exact", "groups__id__exact")),
    "/admin/auth/group/?name__in={0}",
    "/admin/commands/command/?status={0}",
    "/admin/bench/loadrun/?run_id={0}",
    "/admin/bench/loadrun/{0}/delete/",
    "/admin/auth/user/{0}/password/",
    "/admin/settings_app/configuration/{0}/change/",
    "/admin/{0}/",
    "/static/{0}",
]
HIDDEN = [f"initial-{name}" for name in NAMES]
FORMS = {
    "/send/": [
        "type",
        "execution_time_ms",
        "transient_failures",
        "max_attempts",
        "error_code",
        "payload",
        "correlation_id",
    ],
    "/send/many/": ["count", "rate", "seed", "max_attempts", "payload", "reason", "success-weight", "timeout-weight"],
    "/admin/settings_app/configuration/1/change/": [*NAMES, *HIDDEN, "seen_version"],
    "/admin/settings_app/configuration/1/reset/": ["seen_version"],
    "/login/": ["username", "password", "next"],
    "/tokens/": ["name", "lasts", "permissions"],
    "/views/save/": ["page", "name", "query"],
    "/times/": ["times", "next"],
}
ADMIN_FORMS = {
    "/admin/auth/user/add/": ["username", "password1", "password2", "usable_password"],
    "/admin/auth/group/add/": ["name", "permissions"],
    "/admin/commands/testcommand/": ["action", "_selected_action", "index"],
}


@pytest.fixture
def visitor(settings: Settings) -> Client:
    """An admin's client, for which an error is a 500, as it is for a browser."""
    settings.PUBLIC_READ = True
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create(username="admin", is_staff=True, is_superuser=True))
    return client


def expect_no_error(answers: dict[str, int]) -> None:
    assert [address[:100] for address, status in answers.items() if status >= 500] == []


@pytest.mark.parametrize("odd", ODD)
def test_no_parameter_and_no_address_makes_a_page_fail(odd: str, visitor: Client) -> None:
    pages = PAGES + ADMIN_PAGES if odd in FEW else PAGES
    expect_no_error({page: visitor.get(page.format(ODD[odd])).status_code for page in pages})


@pytest.mark.parametrize("odd", ODD)
def test_no_field_of_a_form_makes_a_page_fail(odd: str, visitor: Client) -> None:
    Configuration.change({"concurrency": 9}, version=1, by="grace")  # so that what the form saw counts
    forms = FORMS | ADMIN_FORMS if odd in FEW else FORMS
    bodies = {address: "&".join(f"{name}={ODD[odd]}" for name in names) for address, names in forms.items()}
    settings_form = "/admin/settings_app/configuration/1/change/"
    bodies[f"{settings_form}?"] = f"{bodies[settings_form]}&seen_version=1"
    expect_no_error(
        {
            address: visitor.post(address, body, content_type="application/x-www-form-urlencoded").status_code
            for address, body in bodies.items()
        }
    )


def test_no_cookie_makes_a_page_fail(settings: Settings) -> None:
    settings.PUBLIC_READ = True
    client = Client(raise_request_exception=False)
    for name in ("sessionid", "csrftoken", "messages"):
        for value in ('"abcdefgh\\000"', '"\\355\\240\\200"', "x" * 5000, ""):
            assert client.get("/login/", headers={"Cookie": f"{name}={value}"}).status_code < 500, (name, value)
