"""``manage.py send``: send one test command or many and, if asked, wait for what becomes of them."""

from argparse import ArgumentParser
from typing import Any

from django.db import connection
from django.http import QueryDict

from commands.bus import operations
from commands.bus.bulk import NewCommand, send_chunk
from commands.bus.conflicts import SendConflictError
from commands.bus.send import DuplicateCommandError
from commands.forms.sending import SendForm
from commands.forms.sending_many import SendManyForm
from commands.management import asked, waiting
from commands.management.asked import BEHAVIOR_FIELDS, option_of
from commands.management.console import CallError
from commands.management.following import FollowingCommand
from commands.management.told import ended_json, ends_lines, standing_text
from commands.models import Domain, Operation
from commands.reads import sent, shapes
from commands.rules.agreement import Verdict
from commands.rules.behaviors import PARAMETERS, BehaviorType
from commands.rules.mix import MixError, parse_parts
from commands.rules.words import DOMAIN, OperationState
from e2e_site.options import Exit
from settings_app.models import Configuration

ONE_ALONE = ("correlation_id", "command_id")
MANY_ALONE = ("mix", "seed", "rate", "reason", "operator")
EACH = ("max_attempts", "payload")


class Command(FollowingCommand):
    help = "Send one test command, or many by an operation; --wait says whether they ended as they had to."

    def add_arguments(self, parser: ArgumentParser) -> None:
        asked.add_behavior(parser, "--behavior", what="what it does")
        parser.add_argument("--payload", metavar="JSON", help="a JSON object; @FILE and - (stdin) name where it is")
        parser.add_argument("--max-attempts", metavar="N", help="how often it is delivered (as the settings say)")
        parser.add_argument("--correlation-id", metavar="UUID", help="ties commands together (a new one)")
        parser.add_argument("--command-id", metavar="UUID", help="its id (a new one)")
        parser.add_argument("--no-reply", action="store_true", help="ask for no reply")
        parser.add_argument("--count", metavar="N", help=f"send so many, 1 to {operations.MOST_SENT:,}")
        parser.add_argument("--mix", metavar="TYPE[:NUMBER]=WEIGHT,…", help="of several behaviors, by their weights")
        parser.add_argument("--in-turn", action="store_true", help="one of each in turn, whatever their weights")
        parser.add_argument("--seed", metavar="N", help="which command gets which behavior (drawn, and said)")
        parser.add_argument("--rate", metavar="N", help="send no faster, commands a second")
        asked.add_operator(parser)
        asked.add_wait(parser, "wait for the end, and say whether it is the expected one")
        asked.add_domain(parser)
        asked.add_json(parser)

    def run(self, **options: Any) -> Exit:
        options["payload"] = asked.text_of("--payload", options["payload"])
        options["domain"] = Domain.objects.known(options["domain"] or DOMAIN)
        if options["count"] is None and options["mix"] is None:
            if options["in_turn"] or any(options[name] is not None for name in MANY_ALONE):
                raise CallError(f"--count is needed for many: {_listed(MANY_ALONE)} and --in-turn are theirs.")
            return self._send_one(options)
        if any(options[name] is not None for name in ONE_ALONE):
            raise CallError(f"{_listed(ONE_ALONE)} are of one command: leave them out, or --count and --mix.")
        return self._send_many(options)

    # -- one ----------------------------------------------------------------------------------------------------------

    def _send_one(self, options: dict[str, Any]) -> Exit:
        form = _form(options)
        cleaned = form.cleaned_data
        given = {"command_id": cleaned["command_id"]} if cleaned["command_id"] else {}
        command = NewCommand(behavior=cleaned["behavior"], payload=cleaned["payload"], **given)
        most = cleaned["max_attempts"] or Configuration.load().max_attempts
        known = {"max_attempts": most, "reply": cleaned["reply"], "correlation_id": cleaned["correlation_id"]}
        try:
            send_chunk(connection.connection, options["domain"], [command], **known)
        except DuplicateCommandError as exc:
            raise CallError(f"--command-id: there is a command {command.command_id} already.") from exc
        except SendConflictError as exc:
            raise CallError(str(exc)) from exc
        if not options["json"]:
            self.say(str(command.command_id))
        if options["wait"] is not None:
            return self.follow(command.command_id, options)
        return self.show(command.command_id, options) if options["json"] else Exit.DONE

    # -- many ---------------------------------------------------------------------------------------------------------

    def _send_many(self, options: dict[str, Any]) -> Exit:
        form = _many_form(options)
        before, mix = Configuration.load(), form.mix()
        number = operations.send_many(
            mix,
            operator=asked.operator_of(options["operator"]),
            reason=form.cleaned_data["reason"],
            rate=form.cleaned_data["rate"],
            domain=options["domain"],
        )
        deadline = waiting.Deadline(options["wait"])
        operation = self.work_off(number, deadline)
        if not options["json"]:
            self.say(
                f"Operation {number}: {operation.done:,} commands sent, correlation id {operation.correlation_id}."
            )
            self.note(f"The seed is {mix.seed}: with it the same commands are sent in the same order.")
        if operation.state != OperationState.DONE or options["wait"] is None:
            if options["json"]:
                self.say_json({"operation": shapes.operation(operation)})
            return self.ended(operation)
        return self._wait_for_all(operation, before, deadline, options)

    def _wait_for_all(
        self, operation: Operation, before: Configuration, deadline: waiting.Deadline, options: dict[str, Any]
    ) -> Exit:
        self.warn_unserved(operation.domain)
        standing = waiting.for_all_sent(operation.correlation_id, deadline, self.progress())
        judged = sent.outcome(operation.correlation_id, sent=operation.done, before=before, standing=standing)
        if options["json"]:
            known = {"verdict": judged.verdict, "reason": judged.reason, "disagreeing": judged.disagreeing}
            counts = {status.value: count for status, count in standing.items()}
            ends = ended_json(judged.ends)
            self.say_json({"operation": shapes.operation(operation), **known, "standing": counts, "ends": ends})
            return waiting.code_of(judged.verdict)
        for line in ends_lines(judged.ends) if judged.ends else [standing_text(standing)]:
            self.say(line)
        self.say(f"The time is up: {judged.reason}" if judged.verdict == Verdict.NOT_YET else judged.reason)
        return waiting.code_of(judged.verdict)


def _form(options: dict[str, Any]) -> SendForm:
    if options["type"] is None:
        raise CallError(f"--behavior is needed: one of {', '.join(BehaviorType)}.")
    data = asked.query_of(options, ("type", *BEHAVIOR_FIELDS, *EACH, *ONE_ALONE))
    _ask_for_reply(data, options)
    form = SendForm(data)
    form.fields["command_id"] = asked.command_id_field()
    asked.check(form, options={"type": "--behavior"})
    return form


def _many_form(options: dict[str, Any]) -> SendManyForm:
    data = asked.query_of(options, ("count", "seed", "rate", "reason", *EACH))
    _ask_for_reply(data, options)
    if options["in_turn"]:
        data["in_turn"] = "on"
    for kind, fields in _parts(options).items():
        for name, value in fields.items():
            data[f"{kind}-{name}"] = value
    form = SendManyForm(data)
    asked.check(form, parts=form.parts)
    return form


def _parts(options: dict[str, Any]) -> dict[BehaviorType, dict[str, str]]:
    """The fields of each behavior that is sent: those of ``--mix``, and what stands beside it for all that take it."""
    if (options["mix"] is None) == (options["type"] is None):
        raise CallError("--behavior or --mix says what many commands do: one of them.")
    if options["mix"] is None and options["type"] not in set(BehaviorType):
        raise CallError(f"--behavior must be one of {', '.join(BehaviorType)}.")
    try:
        parts = parse_parts(options["mix"] or f"{options['type']}=1")
    except MixError as exc:
        raise CallError(f"--mix: {exc}") from exc
    for name in BEHAVIOR_FIELDS:
        if (given := options[name]) is None:
            continue
        takers = [kind for kind in parts if name in PARAMETERS[kind]]
        if not takers:
            raise CallError(f"{option_of(name)} does not apply to {' or '.join(parts)}.")
        for kind in takers:
            parts[kind].setdefault(name, given)
    return parts


def _ask_for_reply(data: QueryDict, options: dict[str, Any]) -> None:
    if not options["no_reply"]:
        data["reply"] = "on"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(option_of, names))
