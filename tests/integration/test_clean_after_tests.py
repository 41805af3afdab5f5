"""What a test that commits leaves behind is gone before the next one; what Django's migrations made is as it was."""

from contextlib import closing

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType

from tests.support import databases
from tests.support.bus import HandBus
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def made_by_migrate() -> list[object]:
    rows = ContentType.objects.order_by("id").values_list("id", "app_label", "model")
    return [*rows, *Permission.objects.order_by("id").values_list("id", "codename", "content_type_id")]


def clean(bus: HandBus) -> None:
    databases.put_back_what_migrate_made()
    databases.clean(bus.url)


def test_rows_of_ours_and_of_django_go(bus: HandBus) -> None:
    before = made_by_migrate()
    user = User.objects.create_user("ada")
    user.user_permissions.add(Permission.objects.all()[0])
    bus.send()
    clean(bus)
    assert not User.objects.exists()
    assert bus.value("SELECT count(*) FROM commandbus.command") == 0
    assert made_by_migrate() == before


@pytest.mark.parametrize("spoiled", ["deleted", "added", "changed"])
def test_what_migrate_made_is_made_anew_where_a_test_changed_it(bus: HandBus, spoiled: str) -> None:
    names = set(Permission.objects.values_list("codename", "name"))
    match spoiled:
        case "deleted":
            Permission.objects.filter(codename="add_testcommand").delete()
        case "added":
            Permission.objects.create(codename="x", name="x", content_type=ContentType.objects.all()[0])
        case _:
            Permission.objects.filter(codename="add_testcommand").update(name="x")
    assert set(Permission.objects.values_list("codename", "name")) != names
    clean(bus)
    assert set(Permission.objects.values_list("codename", "name")) == names
    known = made_by_migrate()
    clean(bus)
    assert made_by_migrate() == known  # and not again


def test_a_statement_that_a_killed_worker_left_running_changes_nothing_afterwards(bus: HandBus) -> None:
    with closing(psycopg.connect(bus.url, autocommit=True, application_name="runworker sample")) as worker:
        worker.pgconn.send_query(b"SELECT pg_sleep(600); UPDATE public.e2e_sampler SET sampled_at = clock_timestamp()")
        runs = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
        wait_until(lambda: bus.value(runs, [worker.info.backend_pid]))
        clean(bus)
        assert not bus.value(runs, [worker.info.backend_pid])
