"""Commands of the console that do what an operator does to parked commands: some at once, many by an operation."""

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from commands.bus.operations import MOST_IDS, ParkedFilter, count_parked, operate_on
from commands.bus.operators import Action, act
from commands.forms.operating import FORMS, MOST_AT_ONCE, ConfirmForm
from commands.forms.parked import FilterForm
from commands.management import asked, waiting
from commands.management.console import CallError
from commands.management.following import FollowingCommand
from commands.reads import parked, shapes
from commands.rules.operating import DONE, commands_text, left_text
from commands.rules.operation_text import DONE_WORDS
from commands.rules.words import OperationKind
from e2e_site.options import Exit
from e2e_site.texts import cut

TEXTS = ("payload", "result")
CONFIRMED = ("type", "payload", "result", "max_attempts", "canary", "rate", "reason", *asked.BEHAVIOR_FIELDS)


class ActingCommand(FollowingCommand):
    def act(self, kind: OperationKind, options: dict[str, Any], filters: Iterable[str]) -> Exit:
        """Do to the commands of these ids, or to all that a filter meets, what an operator does."""
        for name in TEXTS:
            options[name] = asked.text_of(asked.option_of(name), options.get(name))
        action_of = asked.operator_of(options["operator"])
        chosen = self._chosen(options, list(filters), parked.moment(options["domain"])["now"])
        count = count_parked(chosen, domain=options["domain"])
        form = _form(kind, options, count)
        action = form.action(action_of)
        if chosen.ids and len(chosen.ids) <= MOST_AT_ONCE and not form.is_gradual:
            return self._act_at_once(action, chosen, options)
        if not count:
            self.note("No parked command is met: nothing was done.")
            return Exit.FAILED
        if not chosen.ids:
            self._confirm(kind, count, chosen, options)
        number = operate_on(
            chosen,
            action,
            rate=form.cleaned_data["rate"],
            canary=form.cleaned_data.get("canary"),
            domain=options["domain"],
        )
        return self._follow_operation(number, options)

    def _chosen(self, options: dict[str, Any], filters: list[str], now: datetime) -> ParkedFilter:
        """Which commands; what is parked from now on is left alone."""
        given = [name for name in filters if options[name] is not None]
        if options["ids"]:
            if given or options["matching"] or options["all"]:
                raise CallError("IDs, or --matching and a filter, or --all: one of them.")
            return ParkedFilter(until=now, ids=_ids(options["ids"]))
        if options["all"] and (given or options["matching"]):
            raise CallError("--all is without a filter: leave it out, or the filter.")
        if not options["all"] and not (given and options["matching"]):
            raise CallError("Which commands? Name their IDs, or --matching and a filter, or --all.")
        form = FilterForm(asked.query_of(options, filters))
        asked.check(form)
        return form.chosen(now)

    def _act_at_once(self, action: Action, chosen: ParkedFilter, options: dict[str, Any]) -> Exit:
        acted = act(action, chosen.ids, domain=options["domain"], until=chosen.until)
        left = {command_id: (why.status, left_text(**vars(why))) for command_id, why in acted.left.items()}
        if options["json"]:
            told = [{"command_id": name, "status": status, "why": why} for name, (status, why) in left.items()]
            self.say_json({"action": action.kind, "done": acted.done, "left": told})
        else:
            for command_id in acted.done:
                self.say(f"{command_id} was {DONE[action.kind]}.")
            for command_id, (_, why) in left.items():
                self.note(f"{command_id} was left as it is: it {why}.")
        return Exit.FAILED if left else Exit.DONE

    def _confirm(self, kind: OperationKind, count: int, chosen: ParkedFilter, options: dict[str, Any]) -> None:
        """Have the number typed, so that it is no accident. Raises CallError where it was not."""
        if options["yes"]:
            return
        beyond = parked.met(options["domain"], chosen).mark
        many = f"{commands_text(count)}{' or more' if beyond else ''}"
        if not sys.stdin.isatty():
            raise CallError(f"--yes is needed: {many} would be {DONE[kind]}, and there is no terminal to ask.")
        self.note(f"{many} will be {DONE[kind]}. Type {count:,} to go on:")
        if sys.stdin.readline().strip().replace(",", "") != str(count):
            raise CallError("It was not confirmed: nothing was done.")

    def _follow_operation(self, number: int, options: dict[str, Any]) -> Exit:
        operation = self.work_off(number, waiting.Deadline(options["max_wait"]))
        if options["json"]:
            self.say_json({"operation": shapes.operation(operation)})
        else:
            skipped = f", {operation.skipped:,} skipped" if operation.skipped else ""
            self.say(f"Operation {number}: {operation.done:,} {DONE_WORDS[operation.kind]}{skipped}.")
        return self.ended(operation)


def _form(kind: OperationKind, options: dict[str, Any], count: int) -> ConfirmForm:
    """What the page has confirmed; here the count is confirmed afterwards."""
    data = asked.query_of(options, CONFIRMED)
    data.update({"seen": str(count), "typed": str(count), "key": str(uuid4())})
    form = FORMS[kind](data, count=count)
    asked.check(form, options={"type": "--as"})
    return form


def _ids(words: list[str]) -> list[UUID]:
    """The ids that were typed, each once; "-" stands for those that stdin has."""
    found = list(dict.fromkeys(_read_ids(words)))
    if not found:
        raise CallError("No ID came from stdin.")
    if len(found) > MOST_IDS:
        raise CallError(f"{len(found):,} IDs are named: at most {MOST_IDS:,}, or --matching and a filter.")
    return found


def _read_ids(words: list[str]) -> Iterator[UUID]:
    for word in words:
        for text in (asked.text_of("ID", "-") or "").split() if word == "-" else [word]:
            try:
                yield UUID(text)
            except ValueError as exc:
                raise CallError(f"ID must be a whole command id, not {cut(text, 60)!r}.") from exc
