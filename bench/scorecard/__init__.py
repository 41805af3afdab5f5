"""What the library does otherwise, from real runs: ``docs/scorecard.md``."""
