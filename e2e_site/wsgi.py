"""The WSGI entry point, for a production server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "e2e_site.settings"  # not another project's

application = get_wsgi_application()
