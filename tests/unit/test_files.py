"""e2e_site/files.py: a file is as it was or as it shall be."""

import os
import stat
import threading
from pathlib import Path

import pytest

from e2e_site.files import write_atomically


def test_the_text_is_there_whole_with_its_mode_and_nothing_else_is(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_atomically(file, "old")
    write_atomically(file, "Grüße\n", mode=0o600)
    assert file.read_bytes() == "Grüße\n".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_writer_left_is_in_nobodys_way_and_lends_its_mode_to_nothing(tmp_path: Path) -> None:
    left = tmp_path / "state.json.new"
    left.write_text("half a te")
    left.chmod(0o666)
    write_atomically(tmp_path / "state.json", "secret", mode=0o600)
    assert (tmp_path / "state.json").read_text() == "secret"
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert not left.exists()


def test_a_write_that_fails_leaves_the_old_text_and_nothing_beside_it(small_disk: Path) -> None:
    file = small_disk / "results.json"
    write_atomically(file, "old")
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, "x" * 200_000_000)
    assert file.read_text() == "old"
    assert list(small_disk.iterdir()) == [file]


def test_a_reader_never_sees_a_half(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    texts = {letter * 200_000 for letter in "ab"}
    write_atomically(file, "a" * 200_000)
    over = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not over.is_set():
            seen.add(file.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            for text in texts:
                write_atomically(file, text)
    finally:
        over.set()
        reader.join()
    assert seen <= texts


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_it_belongs_to_the_user_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "password"
    write_atomically(file, "secret", mode=0o600, owner="daemon")
    assert (file.owner(), file.group(), stat.S_IMODE(file.stat().st_mode)) == ("daemon", "daemon", 0o600)
