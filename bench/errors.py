"""What ends a measurement."""


class BenchError(Exception):
    """The measurement cannot go on; the message is for people and says what to do."""
