"""What the dashboard leads to, what it finds odd, and what it costs when many look at it."""

import re
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.bus.operations import Mix, send_many
from commands.pages import dashboard
from commands.rules.behaviors import Behavior, BehaviorType
from e2e_site.shared import Shared
from tests.integration.test_pages import ask, begin, count, finish, send, text, worker
from tests.integration.test_queue_page import untimed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def odd(address: str = "/live/") -> dict[str, str]:
    """What is found odd, by its id, as a person reads it."""
    page = Client().get(address).text
    found = re.findall(r'<div class="alert[^"]*" id="([\w-]+)"[^>]*>(.*?)</div>', page, re.DOTALL)
    return {name: untimed(text(told)).strip() for name, told in found}


def park(behavior: str, code: str) -> None:
    sent = send(type=behavior)
    finish(begin()[sent], "permanent", error_code=code)


# -- ways on ---------------------------------------------------------------------------------------------------------


def test_each_count_leads_to_what_it_counts() -> None:
    park("fail_permanent", "E")
    page = Client().get("/").text
    links = re.findall(r'id="count-(\w+)".*?<a class="[^"]*" href="([^"]*)"', page, re.DOTALL)
    assert dict(links) == {
        "pending": "/queue/",
        "in_progress": "/queue/",
        "completed": "/commands/?status=COMPLETED",
        "failed": "/commands/?status=FAILED",
        "canceled": "/commands/?status=CANCELED",
        "in_troubleshooting_queue": "/tsq/",
    }


@pytest.mark.django_db(transaction=True)
def test_of_another_domain_they_lead_to_its_lists(orders: str) -> None:
    page = Client().get("/?domain=orders").text
    assert 'href="/commands/?domain=orders&amp;status=FAILED"' in page
    assert 'href="/tsq/?domain=orders"' in page


# -- what is odd -----------------------------------------------------------------------------------------------------


def test_where_all_is_well_nothing_is_said() -> None:
    worker("alpha")
    sent = send()
    finish(begin()[sent])
    send()
    assert odd() == {}


def test_what_waits_in_the_troubleshooting_queue_leads_to_its_largest_group() -> None:
    worker("alpha")
    park("fail_permanent", "BROKEN")
    assert odd()["odd-parked"].startswith(
        "1 command waits in the troubleshooting queue for an operator, the oldest was parked lately . All are "
        "fail_permanent with BROKEN . Look at them"
    )
    for _ in range(2):
        park("fail_transient", "DOWN")
    assert "Largest group, 2: fail_transient with DOWN . Look at this group" in odd()["odd-parked"]
    assert 'href="/tsq/?code=DOWN&amp;behavior=fail_transient"' in Client().get("/").text
    for _ in range(3):
        park("fail_permanent", "")
    assert "Largest group, 3: fail_permanent . Look at this group" in odd()["odd-parked"]
    assert 'href="/tsq/?code=%28none%29&amp;behavior=fail_permanent"' in Client().get("/").text


def test_a_message_that_waits_too_long_says_what_to_do_unless_nobody_takes_any() -> None:
    send()
    ask("UPDATE pgmq.q_test__commands SET vt = clock_timestamp() - interval '3 min'")
    assert list(odd()) == ["no-worker"]
    worker("alpha")
    assert odd()["odd-overdue"].startswith("The oldest message could have been taken 3 min ago : the workers do not")
    ask("UPDATE public.e2e_config SET paused = true")
    assert list(odd()) == ["paused"]
    ask("UPDATE public.e2e_config SET paused = false")
    ask("UPDATE pgmq.q_test__commands SET vt = clock_timestamp() - interval '50 s'")
    assert odd() == {}


def test_ends_that_came_too_late_are_told_for_an_hour() -> None:
    worker("alpha")
    sent = send(type="timeout")
    first = begin(lease=0)[sent]
    finish(begin()[sent])
    finish(first)
    assert odd()["odd-late"].startswith("1 attempt ended too late to count within the last hour, the last one lately")
    ask("UPDATE commandbus.audit SET ts = ts - interval '61 min'")
    assert odd() == {}


def test_rejected_messages_are_told_for_a_day() -> None:
    ask("SELECT pgmq.send('test__commands', '{}'::jsonb)")
    begin()
    assert "Rejected messages" in Client().get("/").text
    assert 'href="/rejected/"' in Client().get("/").text
    ask("UPDATE commandbus.audit SET ts = ts - interval '25 h'")
    assert "Rejected messages" not in Client().get("/").text


def test_operations_under_way_are_told_and_who_works_them_off_without_a_worker() -> None:
    mix = Mix(parts=[(Behavior(type=BehaviorType.SUCCESS), 1)], count=3)
    send_many(mix, operator="ada")
    assert "1 operation is under way, 1 of them not begun." in odd()["odd-operations"]
    assert "manage.py operate" in odd()["odd-operations"]
    for _ in range(2):  # the second finds that nothing is left of it
        ask("SELECT commandbus.work_operation()::text")
    assert "odd-operations" not in odd()


# -- what it costs ---------------------------------------------------------------------------------------------------


def test_viewers_share_what_one_of_them_had_counted(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    forget()
    settings.SHARED_FOR_S = 60
    send()
    assert count(Client().get("/live/").text, "pending") == "1"
    send()
    with django_assert_num_queries(1):  # which domains there are, and what time it is
        assert count(Client().get("/live/").text, "pending") == "1"
    settings.SHARED_FOR_S = 0
    assert count(Client().get("/live/").text, "pending") == "2"
    forget()


def forget() -> None:
    dashboard._seen.forget()
    dashboard._drawn.forget()


def test_what_is_drawn_for_some_viewers_is_not_shown_to_those_who_may_other_things(
    settings: Settings, client_of: Callable[..., Client]
) -> None:
    forget()
    settings.SHARED_FOR_S = 60
    settings.PUBLIC_READ = True
    reader, sender = client_of("rita", staff=False), client_of("sue", "add_testcommand", staff=False)
    offer = 'href="/send/"'
    for _ in range(2):
        assert offer not in reader.get("/live/").text
        assert offer in sender.get("/live/").text
    forget()


def test_while_one_viewer_computes_the_others_wait_for_its_answer(settings: Settings) -> None:
    settings.SHARED_FOR_S = 60
    begun, go_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def compute(key: str) -> str:
        asked.append(key)
        begun.set()
        go_on.wait(5)
        return f"{key}!"

    shared: Shared[str, str] = Shared(compute)
    got: list[str] = []
    viewers = [threading.Thread(target=lambda: got.append(shared.get("a"))) for _ in range(4)]
    viewers[0].start()
    assert begun.wait(5)
    for viewer in viewers[1:]:
        viewer.start()
    go_on.set()
    for viewer in viewers:
        viewer.join(5)
    assert (got, asked) == (["a!"] * 4, ["a"])
    assert shared.get("b") == "b!"
    shared.forget()
    assert shared.get("a") == "a!"
    assert asked == ["a", "b", "a"]


def test_an_answer_that_fails_is_no_answer_for_the_next_viewer(settings: Settings) -> None:
    settings.SHARED_FOR_S = 60
    answers: Iterator[ValueError | int] = iter([ValueError("no"), 7])

    def compute(_: None) -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    shared: Shared[None, int] = Shared(compute)
    with pytest.raises(ValueError, match="no"):
        shared.get(None)
    assert shared.get(None) == 7


@pytest.mark.parametrize("address", ["/live/", "/queue/live/"])
def test_a_fragment_is_not_sent_again_until_something_but_the_clock_changes(
    address: str, client_of: Callable[..., Client]
) -> None:
    worker("alpha")
    sent = send()
    client = client_of("ada", "change_configuration")  # whose fragment of the queue has a form with a token
    first = client.get(address)
    etag = first["ETag"]
    ask("UPDATE public.e2e_worker SET beat_at = beat_at + interval '1 ms'")
    again = client.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert re.findall(r'data-now="([^"]*)"', first.text) != [again["X-Now"]]
    begin()
    changed = client.get(address, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    assert str(sent) in changed.text
    assert Client().get(address, headers={"If-None-Match": f'W/"{uuid4().hex}"'}).status_code == 200
