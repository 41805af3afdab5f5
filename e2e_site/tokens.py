"""Tokens of the API: made by their owner, shown once, stored as a digest, each good for some of its owner's rights."""

import hashlib
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q
from django.db.models.functions import Now

from e2e_site.models import ApiToken
from e2e_site.shared import Shared

PREFIX = "cbt_"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls. With a ``token`` only what it is for is allowed, and only while its owner may do it."""

    user: User | AnonymousUser
    token: ApiToken | None = None

    def may(self, permission: str) -> bool:
        allowed = self.token is None or permission in self.token.permissions
        return allowed and self.user.has_perm(permission)


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def caller_of(token: str) -> Caller | None:
    """Who holds this token; None where it is unknown, revoked or expired. Known for a moment (`SHARED_FOR_S`)."""
    return _callers.get(digest_of(token)) if token.startswith(PREFIX) else None


def _caller(digest: bytes) -> Caller | None:
    valid = Q(expires_at=None) | Q(expires_at__gt=Now())
    found = (
        ApiToken.objects.select_related("user")
        .filter(valid, digest=digest, revoked_at=None, user__is_active=True)
        .first()
    )
    return None if found is None else Caller(user=found.user, token=found)


_callers: Shared[bytes, Caller | None] = Shared(_caller)
