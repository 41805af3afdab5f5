"""Why a load test cannot go on::

LoadTestError               the text is one line that says what to do
├── BusyError               another load test is running
├── WorkplaceError          there is no database that it may work in
├── BrokenError             something it needs is gone: its workers, its lock, its sender, a connection
└── StoppedError            it was told to stop, or the time was over
"""


class LoadTestError(Exception):
    """It cannot begin, or not go on."""


class BusyError(LoadTestError):
    """Another load test is running."""


class WorkplaceError(LoadTestError):
    """There is no database that it may work in."""


class BrokenError(LoadTestError):
    """Something that it needs is gone."""


class StoppedError(LoadTestError):
    """It was told to stop, or the time was over."""
