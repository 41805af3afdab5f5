"""One command close up: which rows it has, what stands in them, and where the axis goes."""

from itertools import pairwise

from bench.report.close_up import CloseUp, Course, Delivery, Moment, Work, close_up, of_story
from tests.support import documents


def drawn(*things: Delivery | Work | Moment, window: tuple[float, float] | None = None, until_s: float = 10) -> CloseUp:
    picture = close_up(
        Course(
            deliveries=[one for one in things if isinstance(one, Delivery)],
            works=[one for one in things if isinstance(one, Work)],
            moments=[one for one in things if isinstance(one, Moment)],
            until_s=until_s,
        ),
        window,
    )
    assert picture is not None
    return picture


def delivery(number: int, began_s: float, ended_s: float | None, worker: str = "w1", **more: object) -> Delivery:
    return Delivery(
        attempt=number,
        worker=worker,
        began_s=began_s,
        ended_s=ended_s,
        end="COMPLETED" if ended_s else "",
        **more,  # type: ignore[arg-type]
    )


def titles(picture: CloseUp, row: int) -> list[str]:
    return [piece.title for piece in picture.rows[row].pieces]


def test_each_worker_has_its_row_and_two_where_it_had_two_at_once() -> None:
    picture = drawn(delivery(1, 0, 5, "w1"), delivery(2, 3, 6, "w2"), delivery(3, 4, 7, "w1"), delivery(4, 8, 9, "w1"))
    assert [row.label for row in picture.rows] == ["in the queue", "w1", "", "w2"]
    assert [len(row.ends) for row in picture.rows] == [0, 2, 1, 1]


def test_the_queue_says_how_long_the_message_waited_and_was_held_back() -> None:
    picture = drawn(
        Moment(at_s=0, type="SENT"), delivery(1, 1, 2, due_s=4), delivery(2, 4.5, 5),
        Moment(at_s=7, type="OPERATOR_RETRY"), delivery(1, 8, 9, message=2),
    )  # fmt: skip
    assert titles(picture, 0) == [
        "Waited 1 s for a worker", "Backoff: 2 s", "Waited 500 ms for a worker", "Waited 1 s for a worker",
    ]  # fmt: skip


def test_an_execution_stands_in_its_delivery_which_is_drawn_as_a_frame() -> None:
    picture = drawn(delivery(1, 0, 5, lease_s=3), Work(attempt=1, worker="w1", began_s=0.1, ended_s=4.9, outcome="ok"))
    assert [(piece.kind, piece.tone) for piece in picture.rows[1].pieces] == [
        ("lease", "slate"), ("held", "cyan"), ("works", "cyan"),
    ]  # fmt: skip
    assert titles(picture, 1) == [
        "Lease of attempt 1: 3 s, until 3 s", "Attempt 1: 5 s", "Execution of attempt 1: 4.8 s, ok",
    ]  # fmt: skip
    assert (picture.leases, picture.ledger) == (True, True)


def test_executions_that_overlap_are_red() -> None:
    work = Work(attempt=1, worker="w1", began_s=0.1, ended_s=4.9, overlaps=True)
    (piece,) = [one for one in drawn(delivery(1, 0, 5), work).rows[1].pieces if one.kind == "works"]
    assert piece.tone == "rose"
    assert piece.title.endswith("while another execution of it went on")


def test_what_has_no_end_is_drawn_to_now_or_to_the_end_of_its_lease() -> None:
    running, lost = drawn(delivery(1, 0, None), until_s=4), drawn(delivery(1, 0, None, lease_s=2), until_s=4)
    assert [piece.kind for piece in running.rows[1].pieces] == ["open"]
    lease, work = lost.rows[1].pieces
    assert (lease.kind, work.kind, lease.width) == ("lease", "open", work.width)


def test_a_long_lease_does_not_hide_short_work() -> None:
    picture = drawn(delivery(1, 0, 0.01, lease_s=300), until_s=0.01)
    (work,) = [piece for piece in picture.rows[1].pieces if piece.kind == "works"]
    assert work.width > picture.width / 2


def test_a_window_shows_what_is_in_it_alone() -> None:
    things = (
        delivery(1, 0, 1),
        delivery(2, 50, 50.1),
        Moment(at_s=0, type="SENT"),
        Moment(at_s=50.1, type="COMPLETED"),
    )
    picture = drawn(*things, window=(49.9, 50.2))
    assert [letter.text for letter in picture.letters] == ["C"]
    assert titles(picture, 1) == ["Attempt 2: 100 ms"]
    assert all(picture.left <= piece.x <= picture.right for row in picture.rows for piece in row.pieces)


def test_letters_have_room_and_stay_in_the_drawing() -> None:
    moments = [Moment(at_s=1, type="RECEIVED", attempt=n) for n in range(20)]
    picture = drawn(Moment(at_s=0, type="SENT"), *moments, until_s=1)
    xs = [letter.x for letter in picture.letters]
    assert all(later - earlier >= 9 for earlier, later in pairwise(xs))
    assert max(xs) <= picture.right


def test_the_table_says_the_same() -> None:
    picture = drawn(
        Moment(at_s=0, type="SENT"), delivery(1, 1, 2, lease_s=4), Moment(at_s=1, type="RECEIVED"),
        Work(attempt=1, worker="w1", began_s=1.2, ended_s=1.9, outcome="ok"), Moment(at_s=2, type="COMPLETED"),
    )  # fmt: skip
    assert [(line.what, line.began_s, line.lasted, line.note) for line in picture.lines] == [
        ("Sent", 0, "", ""),
        ("Delivery", 1, "1 s", "Completed, lease until 4 s"),
        ("Execution", 1.2, "700 ms", "ok"),
        ("Completed", 2, "", ""),
    ]


def test_more_deliveries_than_can_be_drawn_are_counted() -> None:
    assert drawn(*(delivery(n, n, n + 0.5) for n in range(1, 81))).left_out == 20


def test_ends_of_a_story_that_name_no_attempt_are_those_of_the_executions_that_ended_then() -> None:
    (story,) = [one for one in documents.full().stories if one.word == "SRRCC"]
    course = of_story(story)
    assert [(one.attempt, one.ended_s) for one in course.deliveries] == [(1, 13.5), (2, 16.6)]
    assert [one.lease_s for one in course.deliveries] == [12.0, 15.04]
    told = of_story(story.model_copy(update={"executions": []}))
    assert [one.ended_s for one in told.deliveries] == [16.6, 13.5]  # nothing says which: the newest first


def test_an_execution_that_died_is_drawn_no_longer_than_its_lease() -> None:
    (story,) = [one for one in documents.full().stories if one.word == "SRRC"]
    picture = close_up(of_story(story))
    assert picture is not None
    lease, held, died = picture.rows[1].pieces
    assert (held.kind, died.kind) == ("held", "open")
    assert died.x + died.width <= lease.x + lease.width + 0.2


def test_the_backoffs_of_a_story_reach_to_the_next_delivery() -> None:
    (story,) = [one for one in documents.full().stories if one.word.startswith("SRFRFRT")]
    assert [one.due_s for one in of_story(story).deliveries] == [2.3, 4.6, None]


def test_of_a_command_of_which_nothing_is_known_there_is_no_drawing() -> None:
    assert close_up(Course(deliveries=[], works=[], moments=[], until_s=0)) is None
