"""Counts that pages read."""
