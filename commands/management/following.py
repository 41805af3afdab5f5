"""Commands of the console that follow what they asked for to its end, and say whether that is the expected one."""

from typing import Any
from uuid import UUID

from commands.management import waiting
from commands.management.console import ConsoleCommand
from commands.management.told import story_lines
from commands.models import Operation
from commands.reads import one_command, queries, shapes
from commands.reads.expected import expected
from commands.rules.formatting import duration
from commands.rules.operation_text import progress_text
from commands.rules.words import OperationState
from e2e_site.options import Exit


class FollowingCommand(ConsoleCommand):
    def follow(self, command_id: UUID, options: dict[str, Any]) -> Exit:
        """Wait for the end of one command, and say how it ended."""
        deadline = waiting.Deadline(options["wait"])
        found = one_command.read(command_id)
        if not found.status.is_final:
            self.warn_unserved(found.command["domain"])
        found = waiting.for_command(command_id, deadline)
        judged = expected(found.command, found.outcome, found.config).agreement
        if options["json"]:
            self.say_json(shapes.detailed(found))
        elif found.status.is_final:
            took = shapes.took_ms(found)
            self.say(f"{found.status.label}{'' if took is None else f' after {duration(took)}'}.")
            self.say(judged.reason)
        else:
            self.say(f"The time is up. {judged.reason}")
        return waiting.code_of(judged.verdict) if found.status.is_final else Exit.TIME_IS_UP

    def show(self, command_id: UUID, options: dict[str, Any]) -> Exit:
        """What is known of one command now."""
        found = one_command.read(command_id)
        if options["json"]:
            self.say_json(shapes.detailed(found))
        else:
            for line in story_lines(found):
                self.say(line)
        return Exit.DONE

    def work_off(self, number: int, deadline: waiting.Deadline) -> Operation:
        """An operation, until it is over or the time is up."""
        try:
            return waiting.for_operation(number, deadline, self.progress())
        except KeyboardInterrupt:
            self.note(f"Operation {number} is not over. {_goes_on(number)}")
            raise

    def ended(self, operation: Operation) -> Exit:
        """Say what keeps an operation from its end, if anything."""
        state = OperationState(operation.state)
        match state:
            case OperationState.DONE:
                return Exit.DONE
            case OperationState.WAITING | OperationState.RUNNING:
                told = progress_text(vars(operation))
                self.note(f"The time is up: {told}. {_goes_on(operation.operation_id)}")
                return Exit.TIME_IS_UP
            case _:
                by = f" by {operation.stopped_by}" if operation.stopped_by else ""
                self.note(f"Operation {operation.operation_id} was {state.label.lower()}{by}. {operation.said}".strip())
                return Exit.FAILED

    def warn_unserved(self, domain: str) -> None:
        if not any(worker["alive"] for worker in queries.workers(domain)):
            self.note(f"No worker serves {domain}: manage.py runworker starts one.")


def _goes_on(number: int) -> str:
    return f"Workers and manage.py operate go on with it; on its page, /operations/{number}/, it can be canceled."
