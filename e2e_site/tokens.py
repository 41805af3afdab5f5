"""Tokens of the API: made by their owner, shown once, stored as a digest, each good for some of its owner's rights."""

import hashlib
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from e2e_site.models import ApiToken
from e2e_site.roles import is_allowed
from e2e_site.shared import Recent

PREFIX = "cbt_"
MOST_OF_A_USER = 50
MAX_NAME_LENGTH = 100
_SHOWN = len(PREFIX) + 6  # characters by which a token is told from others
_REMEMBERED = 10_000  # tokens that a process knows at a time
_AHEAD_PER_MINUTE = 600  # of a token's budget a process takes the tenth of a second's worth at a time,
_MOST_AHEAD = 100  # no more than this,
_AHEAD_S = 1.0  # and forgets what is left of it after that


class TooManyTokensError(Exception):
    """A user has as many tokens as one may have."""


class NameTakenError(Exception):
    """A user has a token of this name."""


class SpentError(Exception):
    """A token has sent all that it may send just now; ``retry_after`` says in how many seconds it may again."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"This token may send {settings.SEND_PER_MINUTE:,} commands a minute, and has: again in {retry_after:,} s."
        )
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls. With a ``token`` only what it is for is allowed, and only while its owner may do it."""

    user: User | AnonymousUser
    token: ApiToken | None = None

    def may(self, permission: str) -> bool:
        allowed = self.token is None or permission in self.token.permissions
        return allowed and is_allowed(self.user, permission)


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def caller_of(token: str) -> Caller | None:
    """Who holds this token; None where it is unknown, revoked or expired. Known for a moment (`SHARED_FOR_S`)."""
    return _callers.get(digest_of(token)) if token.startswith(PREFIX) else None


def make(user: User, *, name: str, permissions: Iterable[str], lasts: timedelta | None) -> tuple[ApiToken, str]:
    """A new token of ``user`` and its text, which is nowhere afterwards. Raises TooManyTokensError, NameTakenError."""
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two forms at once count one after the other
        own = ApiToken.objects.filter(user=user)
        valid = own.filter(revoked_at=None)
        if valid.count() >= MOST_OF_A_USER:
            raise TooManyTokensError
        if valid.filter(name=name).exists():
            raise NameTakenError
        revoked = own.exclude(revoked_at=None).order_by("-token_id").values_list("pk", flat=True)
        own.filter(pk__in=list(revoked[MOST_OF_A_USER:])).delete()  # else making and revoking would fill the table
        made = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=text[:_SHOWN],
            digest=digest_of(text),
            permissions=sorted(permissions),
            created_at=Now(),
            expires_at=None if lasts is None else Now() + lasts,
        )
    return ApiToken.objects.get(pk=made.pk), text


def revoke(token: ApiToken) -> bool:
    """End a token for good, within a second in every process; False where it was ended already."""
    ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now())
    _callers.forget()
    return bool(ended)


def spend(caller: Caller, count: int) -> None:
    """Take ``count`` commands from what the caller's token may send. Raises SpentError; a login may send any number.

    The budget is one for all processes, in the database. A process takes a little of it ahead, so that few of many
    calls ask there. A call that sends more than are left is let through while any is left, and the next ones wait for
    it. What is not sent after all is not given back.
    """
    if caller.token is None or not settings.SEND_PER_MINUTE:
        return
    key = bytes(caller.token.digest)
    if _ahead.take(key, count):
        return
    taken = max(count, min(_MOST_AHEAD, settings.SEND_PER_MINUTE // _AHEAD_PER_MINUTE))
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.e2e_token_spend(%s, %s, %s)", [caller.token.pk, taken, settings.SEND_PER_MINUTE])
        (wait,) = cursor.fetchone()
    if wait:
        raise SpentError(wait)
    _ahead.put(key, taken - count)


class _Ahead:
    """What this process has taken from the budgets of tokens, by their digests, and not spent yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[bytes, tuple[int, float]] = {}

    def take(self, token: bytes, count: int) -> bool:
        """Whether there was as much."""
        with self._lock:
            left, until = self._left.get(token, (0, 0.0))
            if left < count or time.monotonic() > until:
                return False
            self._left[token] = (left - count, until)
            return True

    def put(self, token: bytes, count: int) -> None:
        """In place of what was there."""
        with self._lock:
            self._left.pop(token, None)
            if count > 0:
                self._left[token] = (count, time.monotonic() + _AHEAD_S)
            while len(self._left) > _REMEMBERED:
                del self._left[next(iter(self._left))]


_ahead = _Ahead()


def _caller(digest: bytes) -> Caller | None:
    valid = Q(expires_at=None) | Q(expires_at__gt=Now())
    found = (
        ApiToken.objects.select_related("user")
        .filter(valid, digest=digest, revoked_at=None, user__is_active=True)
        .first()
    )
    if found is None:
        return None
    if _is_older_than_a_minute(found.last_used_at):
        with connection.cursor() as cursor:
            cursor.execute("SELECT public.e2e_token_used(%s)", [found.pk])
    return Caller(user=found.user, token=found)


def _is_older_than_a_minute(used: datetime | None) -> bool:
    return used is None or timezone.now() - used >= timedelta(minutes=1)


# An unknown token is remembered by nobody: whoever makes them up fills no memory, and one that is new is good at once.
_callers: Recent[bytes, Caller] = Recent(_caller, most=_REMEMBERED)
