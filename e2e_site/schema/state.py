"""Where the schema stands: files and history laid side by side, judged as Flyway judges them. Asks no database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from e2e_site.schema.history import Applied
from e2e_site.schema.migration_files import Migration, version_key

# What the history knows a migration by: its version as numbers, or the description of a repeatable one.
_Key = tuple[int, ...] | str


class Standing(StrEnum):
    """Where a row of the history, or a file, stands. In Flyway's words but for the last two."""

    SUCCESS = "Success"
    BASELINE = "Baseline"
    SUPERSEDED = "Superseded"  # a repeatable migration that was applied again later
    OUTDATED = "Outdated"  # a repeatable migration whose file changed since; the file is pending
    FUTURE = "Future"  # newer than every file: a later state of the code was here, which is no problem
    PENDING = "Pending"
    IGNORED = "Ignored"  # a file that was not applied, though a later version was
    MISSING = "Missing"  # applied, and the file is gone
    FAILED = "Failed"
    CHANGED = "Changed"  # a versioned file that changed since it was applied
    UNKNOWN = "Unknown"  # a row of a type that the built-in runner does not write


_OTHER_TYPES = {"BASELINE": Standing.BASELINE, "SCHEMA": Standing.SUCCESS}
_PROBLEMS = {
    Standing.IGNORED: "{entry.script} was not applied, but a later migration was: give it a higher version.",
    Standing.FAILED: "{entry.script} failed when it was applied: clean up what it left, then run Flyway's `repair`.",
    Standing.UNKNOWN: (
        "{entry.script}: the built-in runner cannot judge a history entry of type {entry.type}; use Flyway itself."
    ),
}
# Before 0.1.0 versioned files are edited in place: no file leads from an older state of the schema to a newer one.
_UNRELEASED = (
    "This database was made by an unreleased state of the schema, and nothing upgrades it: {what}. Keep it with the "
    "checkout that made it, or start anew and lose what is in it: for the embedded PostgreSQL, "
    '"manage.py embeddedpg stop" and remove .data; on a server of your own, drop the database; then "manage.py setup".'
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the history, or a file that waits, and where it stands."""

    standing: Standing
    version: str | None
    script: str
    type: str
    installed_on: datetime | None


@dataclass(frozen=True, kw_only=True)
class State:
    """Files and history compared.

    ``problems`` are sentences that name a file. ``pending`` is what a migrate applies, in order: nothing while there is
    a problem.
    """

    entries: tuple[Entry, ...]
    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]
    problems: tuple[str, ...]

    @property
    def lacking(self) -> tuple[Migration, ...]:
        """Of what is pending, what was never applied as it is.

        The rest are repeatable files that a newer release has replaced since. Its functions serve this code too, so
        that programs of both releases work, and start, side by side.
        """
        known = {(row.description, row.checksum) for row in self.applied if row.version is None and row.success}
        return tuple(each for each in self.pending if each.version or (each.description, each.checksum) not in known)


def compare(migrations: Sequence[Migration], applied: Sequence[Applied]) -> State:
    """Judge every row of the history, oldest first, and every file of ``migrations`` that is not applied as it is."""
    baseline = max(
        (version_key(row.version) for row in applied if row.type == "BASELINE" and row.version), default=(-1,)
    )
    files = {_key(m): m for m in migrations if m.version is None or version_key(m.version) > baseline}
    newest = max((version_key(row.version) for row in applied if row.version), default=baseline)
    latest = {_key(row): row for row in applied}
    waiting = [
        (_standing_of_file(key, newest), migration)
        for key, migration in files.items()
        if key not in latest or (migration.version is None and latest[key].checksum != migration.checksum)
    ]
    entries = [
        *(_entry(_standing_of_row(row, latest[_key(row)], files), row) for row in applied),
        *(_entry(standing, migration) for standing, migration in waiting),
    ]
    problems = tuple(_problems(entries))
    pending = () if problems else tuple(migration for _, migration in waiting)
    return State(entries=tuple(entries), applied=tuple(applied), pending=pending, problems=problems)


def _key(item: Migration | Applied) -> _Key:
    return item.description if item.version is None else version_key(item.version)


def _standing_of_file(key: _Key, newest: tuple[int, ...]) -> Standing:
    return Standing.IGNORED if isinstance(key, tuple) and key < newest else Standing.PENDING


def _standing_of_row(row: Applied, latest: Applied, files: Mapping[_Key, Migration]) -> Standing:
    """``latest`` is the last row of the same migration: ``row``, or a later run of a repeatable one."""
    if row.type != "SQL":
        return _OTHER_TYPES.get(row.type, Standing.UNKNOWN)
    if not row.success:
        return Standing.FAILED
    if row is not latest and row.version is None:
        return Standing.SUPERSEDED
    key = _key(row)
    file = files.get(key)
    if file is None:
        newest_file = max((other for other in files if isinstance(other, tuple)), default=(0,))
        return Standing.FUTURE if isinstance(key, tuple) and key > newest_file else Standing.MISSING
    if row.checksum == file.checksum and row.description == file.description:
        return Standing.SUCCESS
    return Standing.OUTDATED if row.version is None else Standing.CHANGED


def _entry(standing: Standing, item: Migration | Applied) -> Entry:
    row = item if isinstance(item, Applied) else None
    return Entry(
        standing=standing,
        version=item.version,
        script=item.script,
        type=row.type if row else "SQL",
        installed_on=row.installed_on if row else None,
    )


def _problems(entries: Sequence[Entry]) -> Iterator[str]:
    unreleased = [entry for entry in entries if entry.standing in {Standing.CHANGED, Standing.MISSING}]
    if unreleased:
        # One sentence instead of all: in such a database no other problem can be solved.
        yield _UNRELEASED.format(what=_what_became_of(unreleased))
        return
    for entry in entries:
        if entry.standing in _PROBLEMS:
            yield _PROBLEMS[entry.standing].format(entry=entry)


def _what_became_of(entries: Sequence[Entry]) -> str:
    first = entries[0]
    missing = first.standing is Standing.MISSING
    what = "was applied, but the file is missing" if missing else "was changed after it was applied"
    more = f" (the first of {len(entries)} such files)" if len(entries) > 1 else ""
    return f"{first.script} {what}{more}"
