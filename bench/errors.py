"""What ends a measurement."""

from e2e_site.options import Exit, SiteError


class BenchError(SiteError):
    """The measurement cannot go on; the message is for people and says what to do."""


class WrongCallError(BenchError):
    """What is asked for is not there."""

    exit_code = Exit.REFUSED
