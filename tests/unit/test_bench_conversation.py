"""bench/faults/conversation.py: what a client of PostgreSQL asked, and whether it has its answer."""

import struct

import pytest

from bench.faults.conversation import Conversation

READY, IN_TRANSACTION = b"Z\0\0\0\x05I", b"Z\0\0\0\x05T"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def begun() -> Conversation:
    """After its start."""
    conversation = Conversation()
    conversation.asks(struct.pack("!II", 13, 196608) + b"user\0")
    conversation.answers(message(b"R", b"\0\0\0\0") + READY)
    assert conversation.is_answered
    return conversation


def test_a_question_is_open_until_the_server_is_ready() -> None:
    conversation = begun()
    conversation.asks(message(b"Q", b"SELECT 1\0"))
    assert (conversation.texts, conversation.is_answered) == ([b"SELECT 1\0"], False)
    conversation.answers(message(b"D", b"1"))
    assert (conversation.in_transaction, conversation.is_answered) == (False, False)
    conversation.answers(READY)
    assert (conversation.in_transaction, conversation.is_answered) == (False, True)


def test_a_message_may_come_in_pieces() -> None:
    conversation, asked, answer = begun(), message(b"Q", b"SELECT 1\0"), message(b"C", b"SELECT 1\0") + READY
    for place in range(len(asked)):
        assert conversation.texts == []
        conversation.asks(asked[place : place + 1])
    assert conversation.texts == [b"SELECT 1\0"]
    for place in range(len(answer)):
        assert not conversation.is_answered
        conversation.answers(answer[place : place + 1])
    assert conversation.is_answered


def test_ready_in_the_middle_of_a_value_is_no_end() -> None:
    conversation = begun()
    conversation.asks(message(b"Q", b"SELECT bytes\0"))
    conversation.answers(message(b"D", READY))
    assert not conversation.is_answered


def test_a_prepared_statement_counts_with_its_text_each_time() -> None:
    conversation = begun()
    conversation.asks(message(b"P", b"one\0SELECT 1\0\0\0"))
    conversation.answers(message(b"1") + READY)
    conversation.texts.clear()
    conversation.asks(message(b"B", b"\0one\0\0\0\0\0\0\0") + message(b"E", b"\0\0\0\0\0") + message(b"S"))
    assert conversation.texts == [b"SELECT 1"]


def test_a_transaction_is_told() -> None:
    conversation = begun()
    conversation.asks(message(b"Q", b"BEGIN\0"))
    conversation.answers(message(b"C", b"BEGIN\0") + IN_TRANSACTION)
    assert conversation.is_answered
    assert conversation.in_transaction


def test_a_notification_answers_nothing_and_opens_nothing() -> None:
    conversation = begun()
    conversation.answers(message(b"A", b"\0\0\0\0channel\0\0"))
    assert conversation.is_answered


@pytest.mark.parametrize(("answer", "opaque"), [(b"N", False), (b"S", True)])
def test_a_request_to_encrypt_is_answered_by_one_byte(answer: bytes, *, opaque: bool) -> None:
    conversation = Conversation()
    conversation.asks(struct.pack("!II", 8, 80877103))
    conversation.answers(answer)
    assert conversation.opaque is opaque
    conversation.asks(struct.pack("!II", 13, 196608) + b"user\0" + message(b"Q", b"SELECT 1\0"))
    assert conversation.texts == ([] if opaque else [b"SELECT 1\0"])
