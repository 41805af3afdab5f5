"""What engine ``library`` is known to do otherwise, where a run is judged by the oracle ``as_built``.

What one command's story can show is told by `commands.rules.deviations`; the rest (D6 to D12, D14) has its probe in
`bench.scorecard`.
"""

from commands.rules.deviations import TITLES, Seen, known_deviation

__all__ = ["TITLES", "Seen", "known_deviation"]
