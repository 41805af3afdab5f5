"""docs/monitoring/: the alert rules fire when they should, and Prometheus can read what the dashboard asks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.clusters import CHECKOUT
from tests.support.promtool import promtool

MONITORING = CHECKOUT / "docs" / "monitoring"
RULES = MONITORING / "alerts.yml"


def test_each_alert_fires_when_it_should_and_else_does_not() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(CHECKOUT / "tests" / "support" / "alerts.test.yml"))


def test_the_test_of_the_rules_knows_each_of_them() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    tests = (CHECKOUT / "tests" / "support" / "alerts.test.yml").read_text()
    assert alerts
    assert [alert for alert in alerts if f'"{alert}"' not in tests] == []


def asked(part: Any) -> Iterator[str]:
    """Every expression in a part of the dashboard."""
    if isinstance(part, dict):
        yield from (part[key] for key in ("expr",) if key in part)
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from asked(each)


def test_prometheus_can_read_all_that_the_dashboard_asks(tmp_path: Path) -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    asks = [ask.replace("$__rate_interval", "1m").replace("$domain", "test") for ask in asked(dashboard)]
    assert len(asks) >= len(dashboard["panels"])
    rules = [{"record": f"asked:{number}", "expr": ask} for number, ask in enumerate(asks)]
    file = tmp_path / "asked.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    assert f"{len(asks)} rules found" in promtool("check", "rules", str(file))
