"""Why a load test cannot go on::

LoadTestError               the text is one line that says what to do
├── BusyError               another load test is running
├── BrokenError             something it needs is gone: its workers, its lock, its sender
└── StoppedError            it was asked to stop, or the time was over
"""

from e2e_site.options import SiteError


class LoadTestError(SiteError):
    """It cannot begin, or not go on."""


class BusyError(LoadTestError):
    """Another load test is running."""


class BrokenError(LoadTestError):
    """Something that it needs is gone."""


class StoppedError(LoadTestError):
    """It was asked to stop, or the time was over."""
