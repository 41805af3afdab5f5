"""Which operation leads to which: what one answers is what another takes. The document tells clients and testers."""

from collections.abc import Iterable, Mapping
from typing import Any

_OF_PARKED = ("retry_parked", "cancel_parked", "complete_parked", "get_command", "get_audit")


def _to(operations: Iterable[str], parameter: str, place: str) -> dict[str, Any]:
    """Links to these operations, whose ``parameter`` is what stands at ``place`` of the answer."""
    return {name: {"operationId": name, "parameters": {parameter: f"$response.body#/{place}"}} for name in operations}


# By the operation that answers, and the status of its answer.
LINKS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("send_command", "201"): _to(["get_command", "get_audit"], "command_id", "id"),
    ("send_commands", "202"): _to(["get_operation", "cancel_operation"], "operation_id", "id"),
    ("list_commands", "200"): _to(["get_command", "get_audit"], "command_id", "items/0/id"),
    ("list_parked", "200"): _to(_OF_PARKED, "command_id", "items/0/command_id"),
    ("retry_many_parked", "202"): _to(["get_operation"], "operation_id", "id"),
    ("list_operations", "200"): _to(["get_operation"], "operation_id", "items/0/id"),
    ("list_queue", "200"): _to(["cancel_waiting"], "command_id", "items/0/command_id"),
    ("list_replies", "200"): _to(["take_reply", "restore_reply"], "msg_id", "items/0/msg_id"),
    ("start_run", "201"): _to(["get_run", "cancel_run"], "run_id", "id"),
    ("list_runs", "200"): _to(["get_run"], "run_id", "items/0/id"),
    ("list_rejected", "200"): _to(["get_rejected", "send_rejected"], "audit_id", "items/0/audit_id"),
}
