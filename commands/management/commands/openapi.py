"""``manage.py openapi``: the API's document, as ``docs/openapi.json`` has it."""

import json
from typing import Any

from e2e_site.command import SiteCommand


class Command(SiteCommand):
    help = "Print the document of the API (OpenAPI 3.1), as docs/openapi.json has it."

    def handle(self, **options: Any) -> None:
        # Imported here: it takes a while, and every other command would wait for it.
        from commands.api.root import api  # noqa: PLC0415

        self.stdout.write(json.dumps(api.get_openapi_schema(), indent=1, sort_keys=True, ensure_ascii=False))
