"""e2e_site/programs.py: when something that ended is started again."""

from types import SimpleNamespace

import pytest

from e2e_site import programs
from e2e_site.programs import Keeper


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(programs, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


class Lamp:
    """Something that has to be up."""

    def __init__(self, clock: Clock) -> None:
        self.up = True
        self.said: list[str] = []
        self._clock = clock
        self._keeper = Keeper(name="lamp", is_up=self._is_up, start=self._start, _up_since=clock.now)

    def _is_up(self) -> bool:
        return self.up

    def _start(self) -> None:
        self.up = True

    def pause_after_an_end(self) -> float:
        """It ends now; after how many seconds it is up again."""
        self.up, began = False, self._clock.now
        self._keeper.check(self.said.append, lambda: " by signal 9")
        while not self._is_up():
            self._clock.now += 0.25
            self._keeper.check(self.said.append, lambda: " by signal 9")
        return self._clock.now - began

    def burns(self, seconds: float) -> None:
        self._clock.now += seconds
        self._keeper.check(self.said.append, str)


def test_the_delay_grows_while_it_keeps_ending_and_begins_anew_once_it_was_steady(clock: Clock) -> None:
    lamp = Lamp(clock)
    assert [lamp.pause_after_an_end() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    lamp.burns(60)
    assert [lamp.pause_after_an_end() for _ in range(2)] == [1, 2]
    assert lamp.said[0] == "The lamp ended by signal 9; it is started again in 1 s."
