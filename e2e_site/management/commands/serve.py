"""``manage.py serve``: the web server."""

import os
from typing import Any

from e2e_site.address import Address
from e2e_site.command import SiteCommand
from e2e_site.web_server import serve


class Command(SiteCommand):
    help = "Serve the site on HOST and PORT until Ctrl-C. Behind a proxy, for others, too."

    def handle(self, **options: Any) -> None:
        address = Address.of(os.environ)
        address.check_free()
        self.stdout.write(f"Serving on {address.url}")
        self.stdout.flush()
        serve(address)
