"""Scenarios as YAML files: ``*.bench.yaml``."""

from pathlib import Path

import yaml

from bench.scenarios.model import Scenario

SHIPPED = Path(__file__).with_name("shipped")
SUFFIX = ".bench.yaml"


def read_scenario(name: str) -> Scenario:
    """The scenario of a file, or the shipped one of that name."""
    path = SHIPPED / f"{name}{SUFFIX}"
    return Scenario.model_validate(yaml.safe_load((path if path.exists() else Path(name)).read_text("utf-8")))
