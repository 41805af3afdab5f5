"""The ASGI entry point, for a production server."""

import os

from django.core.asgi import get_asgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "e2e_site.settings"  # not another project's

application = get_asgi_application()
