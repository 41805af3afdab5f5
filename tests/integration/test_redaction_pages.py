"""The setting ``redacted_keys``: its values are seen by those who may, and by nobody else, wherever they stand."""

import json
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from commands.bus.operations import Mix, ParkedFilter, operate_on, send_many
from commands.bus.operators import Action, act
from commands.forms.command_list import FilterForm
from commands.models import AuditEvent, TestCommand
from commands.reads.redacted import NO_SEARCH, SEE_REDACTED
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import OperationKind
from settings_app.models import Configuration
from settings_app.values import LISTS
from tests.integration.test_pages import ask, begin, finish, send, text
from tests.support.api import user_with

pytestmark = pytest.mark.django_db

SECRET = "hunter2"
PAYLOAD = {"Password": SECRET, "order": 7, "lines": [{"iban": {"secret": SECRET}, "n": 1}]}
RESULT = {"iban": SECRET, "kept": 1}
RIGHTS = (
    "commands.add_testcommand", "commands.operate_command", "commands.view_testcommand", "commands.view_auditevent",
    "commands.view_command",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True
    Configuration.change({"redacted_keys": "iban, password"}, version=1, by="ada")


def client_with(*permissions: str, name: str = "ada") -> Client:
    client = Client()
    client.force_login(user_with(*permissions, name=name))
    return client


@pytest.fixture
def sees() -> Client:
    """Of a user who may do all that the others may, and see what is redacted."""
    return client_with(*RIGHTS, SEE_REDACTED, name="sees")


@pytest.fixture
def blind() -> Client:
    return client_with(*RIGHTS, name="blind")


@pytest.fixture
def sent() -> UUID:
    """A command that was parked, retried with another payload, and completed with a result and a reply."""
    command = send(payload=PAYLOAD, type="fail_permanent")
    finish(begin()[command], "permanent")
    again = Behavior(type=BehaviorType.SUCCESS)
    action = Action(kind=OperationKind.RETRY, operator="ada", payload={**PAYLOAD, "order": 8}, behavior=again)
    assert act(action, [command]).done
    finish(begin()[command], result=RESULT)
    return command


def row_of(command: UUID) -> int:
    return int(TestCommand.objects.get(command_id=command).pk)


def reject() -> int:
    ask("SELECT pgmq.send('test__commands', %s::jsonb, 0)", json.dumps({"data": PAYLOAD}))
    begin()
    return int(AuditEvent.objects.filter(event_type="MESSAGE_REJECTED").latest("audit_id").pk)


def addresses(command: UUID, rejected: int, operation: int) -> list[str]:
    retry = AuditEvent.objects.get(command_id=command, event_type="OPERATOR_RETRY").pk
    return [
        f"/commands/{command}/", f"/commands/{command}/live/", f"/commands/{command}/raw/payload/",
        f"/commands/{command}/raw/result/", "/commands/export/?format=jsonl", "/audit/", f"/audit/{retry}/",
        f"/audit/{rejected}/", "/audit/export/?format=csv", "/audit/export/?format=jsonl", "/replies/", "/rejected/",
        "/", f"/operations/{operation}/", f"/operations/{operation}/live/", f"/send/?like={command}",
        f"/send/many/?like={operation}", f"/admin/commands/testcommand/{row_of(command)}/change/",
        f"/admin/commands/auditevent/{retry}/change/", "/admin/commands/auditevent/",
    ]  # fmt: skip


def content(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return b"".join(answer).decode() if answer.streaming else answer.text


def test_a_value_is_on_no_page_in_no_file_for_who_may_not_see_it(sent: UUID, sees: Client, blind: Client) -> None:
    number = send_many(Mix(parts=[(Behavior(type=BehaviorType.SUCCESS), 1)], count=1, payload=PAYLOAD), operator="ada")
    shown, hidden = {}, {}
    for address in addresses(sent, reject(), number):
        shown[address] = SECRET in content(sees, address)
        hidden[address] = SECRET in content(blind, address) or (
            not address.startswith(("/send/", "/admin/")) and SECRET in content(Client(), address)
        )
    assert not [address for address, leaks in hidden.items() if leaks]
    # The dashboard is one for all.
    assert [address for address, seen in shown.items() if not seen] == ["/"]


def test_all_else_of_it_stays_and_the_page_says_how_much_is_missing(sent: UUID) -> None:
    page = text(content(Client(), f"/commands/{sent}/"))
    assert "&quot;order&quot;: 8" in page
    assert "&quot;Password&quot;: &quot;•••&quot;" in page
    assert "8 values are redacted (•••): the permission commands.see_redacted shows them." in page
    assert json.loads(content(Client(), f"/commands/{sent}/raw/payload/")) == {
        "Password": "•••", "order": 8, "lines": [{"iban": "•••", "n": 1}],
    }  # fmt: skip
    (line,) = [json.loads(line) for line in content(Client(), "/commands/export/?format=jsonl").splitlines()]
    assert (line["status"], line["payload"]["order"], line["payload"]["Password"]) == ("COMPLETED", 8, "•••")
    assert "redacted (" not in content(client_with(SEE_REDACTED), f"/commands/{sent}/")


def test_nothing_is_redacted_where_no_key_is_named(sent: UUID) -> None:
    Configuration.change({"redacted_keys": ""}, version=2, by="ada")
    page = content(Client(), f"/commands/{sent}/")
    assert SECRET in page
    assert "redacted (" not in page


def test_what_sends_it_again_is_not_copied_for_who_may_not_see_it(sent: UUID, sees: Client, blind: Client) -> None:
    page = text(content(blind, f"/commands/{sent}/"))
    assert page.count("Some of what it was asked is redacted: who may see it, can copy it.") == 2
    assert "commandbus.send_commands(" in content(sees, f"/commands/{sent}/")
    again = content(blind, f"/send/?like={sent}")
    assert "2 values, and the payload round them" in text(again)
    assert "•••" not in again
    assert "left out here" not in content(sees, f"/send/?like={sent}")


def test_a_rejected_message_is_mended_only_by_who_sees_all_of_it(sees: Client, blind: Client) -> None:
    rejected = reject()
    assert SECRET in content(sees, f"/rejected/{rejected}/")
    for answer in (
        blind.get(f"/rejected/{rejected}/"),
        blind.post(f"/rejected/{rejected}/", {"way": "lost", "message": "{}"}),
    ):
        assert answer.status_code == 403
        assert "it has 2 values that are redacted." in text(answer.text)


@pytest.mark.parametrize(
    "address",
    ["/commands/?payload={}", "/commands/export/?format=csv&payload={}", "/audit/?text={}", "/audit/export/?text={}"],
)
def test_who_may_not_see_a_value_cannot_search_for_it(sent: UUID, sees: Client, blind: Client, address: str) -> None:
    for client in (blind, Client()):
        answer = client.get(address.format(SECRET))
        assert answer.status_code == 400
        assert NO_SEARCH in text(answer.text)
        assert str(sent) not in answer.text
    assert str(sent) in content(sees, address.format(SECRET))
    Configuration.change({"redacted_keys": ""}, version=2, by="ada")
    assert str(sent) in content(blind, address.format(SECRET))


def test_a_filter_is_safe_unless_a_caller_says_otherwise(client: Client) -> None:
    form = FilterForm(client.get(f"/commands/?payload={SECRET}").wsgi_request.GET)
    assert not form.is_valid()
    assert form.errors["payload"] == [NO_SEARCH]


def test_a_new_payload_of_an_operation_is_redacted_too(sent: UUID, blind: Client) -> None:
    action = Action(kind=OperationKind.RETRY, operator="ada", payload=PAYLOAD)
    number = operate_on(ParkedFilter(until=AuditEvent.objects.latest("audit_id").ts), action)
    page = content(blind, f"/operations/{number}/")
    assert SECRET not in page
    assert "2 values are redacted" in text(page)


# -- the setting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("password,iban", "password, iban"),
        (" Password \n\nIBAN,, password\r\n", "Password, IBAN"),
        ("", ""),
    ],
)
def test_names_are_kept_in_one_spelling(admin_client: Client, typed: str, kept: str) -> None:
    address = "/admin/settings_app/configuration/1/change/"
    form = admin_client.get(address).context["adminform"].form
    shown = {
        f"{prefix}{name}": form[name].value()
        for name in form.fields
        for prefix in ("", "initial-")
        if form[name].value() is not False
    }
    answer = admin_client.post(address, {**shown, "redacted_keys": typed})
    assert answer.status_code == 302, answer.text
    assert Configuration.load().redacted_keys == kept


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("x" * 101, "A name has at most 100 characters, not 101."),
        (",".join(f"k{number}" for number in range(101)), "At most 100 names, not 101."),
        ('say "x"', "A name has no quotation marks, backslashes or control characters."),
        ("a\tb", "A name has no quotation marks, backslashes or control characters."),
    ],
)
def test_names_that_cannot_be_meant_are_refused(admin_client: Client, typed: str, said: str) -> None:
    address = "/admin/settings_app/configuration/1/change/"
    assert said in admin_client.post(address, {"redacted_keys": typed}).text.replace("&#x27;", "'")
    with pytest.raises(ValueError, match=said):
        LISTS["redacted_keys"].names(typed)
    assert Configuration.load().redacted_keys == "iban, password"


def test_the_right_is_a_permission_like_others() -> None:
    assert User.objects.create_superuser("root").has_perm(SEE_REDACTED)
    assert user_with(SEE_REDACTED).has_perm(SEE_REDACTED)
