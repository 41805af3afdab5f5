"""PostgreSQL's protocol as far as losing an answer needs it: what a client asked, and whether that is answered. Pure.

bytes of the client ─► asks ─► texts      bytes of the server ─► answers ─► is_answered, in_transaction
"""

from __future__ import annotations

import struct

_CANCEL, _TLS, _GSS = 80877102, 80877103, 80877104  # instead of a version in a client's first message
_UNASKED = b"ANS"  # notifications, notices, parameters: they answer no question


class Conversation:
    """One connection. ``texts``: the statements asked since it was last outside of a transaction and answered.

    A prepared statement counts with its text each time it is used. ``opaque``: it is encrypted, and nothing is known.
    """

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.opaque = False
        self.in_transaction = False
        self._answered = True
        self._begun = False  # its first message, which has no kind, has passed
        self._refusable = 0  # requests to encrypt, which are answered by one byte
        self._prepared: dict[bytes, bytes] = {}
        self._of_client, self._of_server = bytearray(), bytearray()  # messages that are not whole yet

    @property
    def is_answered(self) -> bool:
        """Whether the last message of the server was whole, and said that it is ready for the next question."""
        return self._answered and not self._of_server

    def asks(self, data: bytes) -> None:
        """The client has sent this."""
        if self.opaque:
            return
        self._of_client += data
        while message := _next(self._of_client) if self._begun else self._first():
            self._answered = False
            self._note(*message)

    def answers(self, data: bytes) -> None:
        """The server has sent this."""
        while self._refusable and data and not self.opaque:
            self._refusable -= 1
            self.opaque, data = data[:1] != b"N", data[1:]
        if self.opaque:
            return
        self._of_server += data
        while message := _next(self._of_server):
            kind, body = message
            if kind == b"Z":
                self._answered, self.in_transaction = True, body != b"I"
            elif kind not in _UNASKED:
                self._answered = False

    def _first(self) -> tuple[bytes, bytes] | None:
        if len(self._of_client) < 8:  # two numbers: its length and what it is
            return None
        length, code = struct.unpack("!II", self._of_client[:8])
        if len(self._of_client) < length:
            return None
        del self._of_client[:length]
        if code in (_TLS, _GSS):
            self._refusable += 1
        else:
            self._begun, self.opaque = True, code == _CANCEL  # after which nothing more comes
        return b"", b""

    def _note(self, kind: bytes, body: bytes) -> None:
        """Query, Parse and Bind have a text, or name a statement that has one."""
        if kind == b"Q":
            self.texts.append(body)
        elif kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = text
            self.texts.append(text)
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            self.texts.append(self._prepared.get(name, b""))


def _next(data: bytearray) -> tuple[bytes, bytes] | None:
    """Take the first message off, if it is whole: its kind and its body."""
    if len(data) < 5:  # the kind and the length
        return None
    end = 1 + int.from_bytes(data[1:5], "big")
    if len(data) < end:
        return None
    message = bytes(data[:1]), bytes(data[5:end])
    del data[:end]
    return message
