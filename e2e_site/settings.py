"""Settings of the site. Every environment variable it reads is read here, typed, with its default.

``DATABASE_URL`` unset means the embedded PostgreSQL (``e2e_site/embedded/``). Importing this module starts
nothing and writes nothing.
"""

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from e2e_site import environment, hosts
from e2e_site.embedded.cluster import demo_cluster

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Database ------------------------------------------------------------------------------------------------------

DATABASE_URL: str = environment.text("DATABASE_URL")
EMBEDDED = not DATABASE_URL


def _with_options(config: dict[str, Any]) -> dict[str, Any]:
    return {
        **config,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # A cursor that outlives its transaction is lost behind a pooler in transaction mode.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            # A server that vanished without a word is noticed in seconds, not in hours.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            **config.get("OPTIONS", {}),
        },
    }


DATABASES = {
    "default": _with_options(
        demo_cluster(BASE_DIR).database_settings()
        if EMBEDDED
        else environment.database_at("DATABASE_URL", DATABASE_URL)
    )
}
# The same database without a pooler between, for what belongs to a session: notifications and locks.
_LISTEN_DATABASE_URL: str = environment.text("LISTEN_DATABASE_URL")
if _LISTEN_DATABASE_URL and EMBEDDED:
    raise ImproperlyConfigured(
        "LISTEN_DATABASE_URL names a direct way to the database of DATABASE_URL, which is not set."
    )
LISTEN_DATABASE: dict[str, Any] | None = (
    _with_options(environment.database_at("LISTEN_DATABASE_URL", _LISTEN_DATABASE_URL))
    if _LISTEN_DATABASE_URL
    else None
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The Flyway to run; empty means the one on PATH, else the built-in runner (`e2e_site/schema/flyway.py`).
FLYWAY_BIN: str = environment.text("FLYWAY_BIN")

# --- Who may do what -------------------------------------------------------------------------------------------------

# With the embedded database a key is made at its first start; a real server needs a real key.
SECRET_KEY: str = (
    demo_cluster(BASE_DIR).secret_key()
    if EMBEDDED and "SECRET_KEY" not in environment.env.ENVIRON
    else environment.text("SECRET_KEY")
)
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is required when DATABASE_URL is set.")
DEBUG: bool = environment.flag("DEBUG", default=False)
ALLOWED_HOSTS = environment.items("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"], hosts.host)
CSRF_TRUSTED_ORIGINS = environment.items("CSRF_TRUSTED_ORIGINS", [], hosts.origin)

# Anonymous visitors may read (never change) the pages.
PUBLIC_READ: bool = environment.flag("PUBLIC_READ", default=EMBEDDED)

# Nobody may change anything, by page or API; workers go on (e2e_site/roles.py, e2e_site/access.py).
READ_ONLY: bool = environment.flag("READ_ONLY", default=False)

# How many commands one token of the API may send a minute; 0 for any number (e2e_site/tokens.py).
SEND_PER_MINUTE: int = environment.whole("SEND_PER_MINUTE", default=60_000, most=10_000_000)

# For so many seconds the viewers of a page share what one of them had counted (e2e_site/shared.py).
SHARED_FOR_S = 1.0

# The badge in the top bar: which installation a person looks at.
ENVIRONMENT: str = environment.text("ENVIRONMENT", default="demo" if EMBEDDED else "")

LOGIN_URL = "login"
CSRF_FAILURE_VIEW = "e2e_site.errors.csrf_failure"
LOGIN_REDIRECT_URL = "commands:dashboard"
LOGOUT_REDIRECT_URL = "commands:dashboard"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Behind HTTPS set HTTPS=true; on plain http the browser would drop secure cookies, and be sent away for ever.
HTTPS: bool = environment.flag("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
# For how long a browser that came once asks by HTTPS only. Subdomains are for their owner to decide about.
SECURE_HSTS_SECONDS = environment.whole("HSTS_SECONDS", default=31_536_000, most=63_072_000) if HTTPS else 0
# How many proxies stand before the site: that many entries at the end of X-Forwarded-For are theirs.
PROXIES: int = environment.whole("PROXIES", default=1 if HTTPS else 0, most=9)

# Who watches the site, by address: they read /metrics without a token, and why /readyz says no. "none" is nobody.
METRICS_NETWORKS: list[hosts.Network] = (
    []
    if environment.text("METRICS_NETWORKS").strip() == "none"
    else environment.items("METRICS_NETWORKS", hosts.LOOPBACK if EMBEDDED else [], hosts.network)
)
SECURE_REDIRECT_EXEMPT = ["^(healthz|readyz|metrics)$"]  # asked by an address, from beside the site

# Failed logins (e2e_site/logins.py). From one address: so many for one user name, so many for all.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_HANDLER = "e2e_site.logins.LoginThrottle"
AXES_CLIENT_IP_CALLABLE = "e2e_site.logins.client_address"
AXES_LOCKOUT_CALLABLE = "e2e_site.logins.refusal"
AXES_FAILURE_LIMIT = 5
LOGIN_FAILURES_PER_ADDRESS = 50
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # else whoever goes on trying would wait for ever
AXES_RESET_ON_SUCCESS = AXES_DISABLE_ACCESS_LOG = True  # the log would grow without end
AXES_ENABLE_ADMIN = AXES_VERBOSE = False

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- The application -------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "e2e_site",  # before the admin: its templates dress the admin too
    "e2e_site.theme",
    "commands",
    "settings_app",
    "bench",
    "whitenoise.runserver_nostatic",
    "e2e_site.admin_config.PermittedAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "tailwind",
    "csp",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "e2e_site.unavailable.DatabaseMiddleware",  # before all that use the database
    "e2e_site.answers.PolicyMiddleware",
    "e2e_site.answers.HeadAnswerMiddleware",
    "e2e_site.answers.PrivateAnswerMiddleware",
    "e2e_site.storable.StorableRequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "e2e_site.probes.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "e2e_site.access.ReadOnlySiteMiddleware",
    "e2e_site.access.RefusedFragmentMiddleware",
    "e2e_site.access.ReadAccessMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "e2e_site.urls"
WSGI_APPLICATION = "e2e_site.wsgi.application"
# django-ninja's page to try the API. As an app it would be imported by every worker and command, which takes 0.2 s.
_NINJA = Path(str(getattr(find_spec("ninja"), "origin", ""))).parent
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_NINJA / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "settings_app.pause.shown",
                "e2e_site.access.shown",
            ],
        },
    },
]

# --- Static files: built by bin/setup, served by WhiteNoise ----------------------------------------------------------

TAILWIND_APP_NAME = "e2e_site.theme"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [_NINJA / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Time, language, logs --------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

LOG_FORMAT = environment.choice("LOG_FORMAT", "text", ("text", "json"))
LOG_LEVEL = environment.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "e2e_site.logs.TextFormatter"},
        "json": {"()": "e2e_site.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # The worker says once that the database is away; the pool would say it at each try.
        "psycopg.pool": {"level": "ERROR"},
        "axes": {"level": "ERROR"},  # it says three lines of each failed login; ours says which are refused
        "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
