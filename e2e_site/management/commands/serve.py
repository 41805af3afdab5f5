"""``manage.py serve``: the web server, one process or several."""

import os
import socket
import sys
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from e2e_site.address import Address
from e2e_site.command import SiteCommand
from e2e_site.options import Exit, Number
from e2e_site.programs import Program, manage_command
from e2e_site.supervisor import Supervisor
from e2e_site.web_server import serve

MOST_PROCESSES = 64
GRACE_S = 10  # requests that are being performed have half of it


class Command(SiteCommand):
    help = "Serve the site on HOST and PORT until Ctrl-C. Behind a proxy, for others, too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--processes",
            type=Number(1, MOST_PROCESSES),
            default=1,
            metavar="N",
            help=f"1 to {MOST_PROCESSES} processes that share the port (1): as many as processors for a busy site",
        )
        # How a process of --processes is started: the number of the open socket.
        parser.add_argument("--socket", type=Number(3, 2**20), help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        address = Address.of(os.environ)
        if options["socket"] is not None:
            return serve(address, socket.socket(fileno=options["socket"]))
        address.check_free()
        if options["processes"] == 1:
            self._say(f"Serving on {address.url}")
            return serve(address)
        sys.exit(self._serve_by_many(address, options["processes"]))

    def _serve_by_many(self, address: Address, processes: int) -> Exit:
        """Several processes take connections from one socket; one that ends is started again."""
        with address.listen() as listening:
            number = listening.fileno()
            programs = [
                Program(
                    f"web process {place}",
                    manage_command("serve", "--socket", str(number)),
                    grace=GRACE_S,
                    inherits=[number],
                )
                for place in range(1, processes + 1)
            ]
            supervisor = Supervisor(programs, say=self._say)
            with supervisor.listening():
                for program in programs:
                    program.start()
                self._say(f"Serving on {address.url} by {processes} processes")
                supervisor.keep(None)
                supervisor.stop()
        return Exit.DONE

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
