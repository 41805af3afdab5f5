"""The known deviations of the library's worker, pinned: a version of it that mends one turns a test red and says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version


@contextmanager
def pins(*names: str) -> Iterator[None]:
    """What is asserted inside shows these deviations (``"D3"``) of docs/promises.md."""
    try:
        yield
    except AssertionError as exc:
        which = " and ".join(names)
        raise AssertionError(
            f"{which} of docs/promises.md does not show with reliable-cmd {version('reliable-cmd')}. If it is mended "
            f"there, say so in docs/promises.md and in engine_library.DEVIATIONS, and turn this test round. ({exc})"
        ) from exc
