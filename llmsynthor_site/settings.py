"""Settings of one site, read from the environment (see .env.sample).

A *site* is one folder, SITE_DIR: its database, its log, its keys, its vault. Two sites share nothing.
"""

from __future__ import annotations

import os
import resource
import tempfile
from pathlib import Path

import environ
from csp.constants import NONE, SELF

from llmsynthor_site.api_settings import *  # noqa: F403
from llmsynthor_site.environment import BASE_DIR, PRODUCTION, SITE_DIR, data_engines, env
from llmsynthor_site.environment import DEBUG as DEBUG
from llmsynthor_site.environment import DEMO as DEMO
from llmsynthor_site.sign_in_settings import *  # noqa: F403

os.umask(0o077)  # every file of a site is its own account's alone
# A core dump would write keys and plain codes to a disk.
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
SITE_DIR.mkdir(parents=True, exist_ok=True)


def secret_key() -> str:
    """The key from the environment, or one kept in the site's folder so that sessions survive a restart."""
    if given := env("SECRET_KEY", default=""):
        return str(given)
    if PRODUCTION:
        raise environ.ImproperlyConfigured("SECRET_KEY must be set when PRODUCTION is on")
    from llmsynthor_site.secrets import kept_secret

    return kept_secret(SITE_DIR / "keys" / "django.key")


SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # earlier ones, while sessions turn over
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "llmsynthor_site",
    "synthesis",
    "privacy",
    "audit",
]
MIDDLEWARE = [
    "llmsynthor_site.operations.probes.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "llmsynthor_site.telemetry.Traced",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "llmsynthor_site.signin.requirement.SecondFactorFirst",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "llmsynthor_site.languages.reading.PagesInOnesOwnLanguage",
    "llmsynthor_site.middleware.TimesInOnesOwnZone",
    "allauth.account.middleware.AccountMiddleware",
    "llmsynthor_site.middleware.LogMustBeWritable",
    "llmsynthor_site.api.idempotency.Idempotent",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "llmsynthor_site.urls"
WSGI_APPLICATION = "llmsynthor_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "llmsynthor_site.context.site",
            ]
        },
    }
]

# Two databases: state, and the append-only log, whose writer must never wait on (or roll back with) the state's.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
}


def database(variable: str, file: str) -> dict[str, object]:
    config = env.db_url(variable, default=f"sqlite:///{SITE_DIR / file}")
    if config["ENGINE"].endswith("sqlite3"):
        # Tests start processes and threads, and those do not see an in-memory database: each run has files.
        name = Path(tempfile.gettempdir()) / f"llmsynthor-test-{os.getpid()}-{file}"
        config |= {"OPTIONS": SQLITE_OPTIONS, "TEST": {"NAME": str(name)}}
    else:  # a connection for each request would cost more than most of its queries
        config |= {"CONN_MAX_AGE": env.int("DATABASE_CONNECTION_SECONDS", default=60), "CONN_HEALTH_CHECKS": True}
    return config


DATABASES = {"default": database("DATABASE_URL", "site.sqlite3"), "log": database("LOG_DATABASE_URL", "log.sqlite3")}
DATABASE_ROUTERS = ["llmsynthor_site.routers.LogRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "llmsynthor_site.User"
# Counts of failed sign-ins, shared by every web process.
CACHE_URL = env("CACHE_URL", default=env("BROKER_URL", default=""))
if CACHE_URL.startswith(("redis://", "rediss://")):
    cache: dict[str, object] = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}
    cache["OPTIONS"] = {"serializer": "llmsynthor_site.caching.Json"}
else:
    cache = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": SITE_DIR / "cache"}
CACHES = {"default": cache | {"KEY_PREFIX": "llmsynthor"}}
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME, LANGUAGE_COOKIE_SAMESITE = "language", "Lax"
FORMAT_MODULE_PATH = ["llmsynthor_site.languages.formats"]
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env("STATIC_ROOT", default=None)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Served straight from the apps' folders, so that no collectstatic step stands between a checkout and a page.
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = SITE_DIR / "nothing-is-served-from-here"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 8 * 3600
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PRODUCTION:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Who answers for the data: name, contact, officer (for data protection), type, sector, region. Register papers name it.
CONTROLLER = env.json("CONTROLLER", default={})

# Uploads: what one file may cost the machine before it is refused.
LIMITS = {
    "upload_bytes": env.int("LIMIT_UPLOAD_BYTES", default=2 * 2**30),
    "upload_rows": env.int("LIMIT_UPLOAD_ROWS", default=20_000_000),
    "upload_columns": env.int("LIMIT_UPLOAD_COLUMNS", default=500),
    "cell_chars": env.int("LIMIT_CELL_CHARS", default=10_000),
    "declaration_bytes": env.int("LIMIT_DECLARATION_BYTES", default=2 * 2**20),
    "ingest_seconds": env.int("LIMIT_INGEST_SECONDS", default=600),
    "ingest_memory_bytes": env.int("LIMIT_INGEST_MEMORY_BYTES", default=4 * 2**30),
    "synthetic_rows": env.int("LIMIT_SYNTHETIC_ROWS", default=1_000_000),
}
# Synthetic tables of more rows than this are drawn in shards of at most so many, each by any worker.
SHARD_ROWS = env.int("SHARD_ROWS", default=200_000)
# When a release completes: set from what was declared, many times what the slowest machine would take.
MEASURING_PACE = {
    "base_seconds": env.float("MEASURING_BASE_SECONDS", default=15.0),
    "nanoseconds_per_row": env.float("MEASURING_NANOSECONDS_PER_ROW", default=20.0),
    "microseconds_per_cell": env.float("MEASURING_MICROSECONDS_PER_CELL", default=100.0),
}
# With a database on a server: where the log's anchors lie, in words; an operator's statement that it is apart.
ANCHORS_APART = env("ANCHORS_APART", default="").strip()
# Owners' engines: who may have which tables counted, and the file of how the measuring worker reaches them.
DATA_ENGINES = data_engines()
ENGINES_FILE = Path(env("ENGINES_FILE", default=str(SITE_DIR / "keys" / "engines.json")))
ENGINE_PACE = {
    "base_seconds": env.float("ENGINE_BASE_SECONDS", default=60.0),
    "nanoseconds_per_row": env.float("ENGINE_NANOSECONDS_PER_ROW", default=200.0),
    "microseconds_per_cell": env.float("ENGINE_MICROSECONDS_PER_CELL", default=100.0),
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 2**20
FILE_UPLOAD_TEMP_DIR = SITE_DIR / "inbox"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
FILE_UPLOAD_HANDLERS = ["llmsynthor_site.uploads.SealedUpload"]

# The door: the one process with provider keys and a network.
DOOR_SOCKET = Path(env("DOOR_SOCKET", default=str(SITE_DIR / "door.sock")))
DOOR_LEASE_SECONDS = env.int("DOOR_LEASE_SECONDS", default=180)
# Before a failed call is tried again: a random time up to this, doubled with every try, or what the endpoint asks for.
CALL_RETRY_SECONDS = env.float("CALL_RETRY_SECONDS", default=2.0)
# What one request's calls may cost at most; gate B approves these figures with the rest of the manifest.
TEXT_QUESTIONS = env.int("LIMIT_TEXT_QUESTIONS", default=2_000)  # a request, about the texts of its tables
CALL_CAPS = {
    "tokens": env.int("LIMIT_CALL_TOKENS", default=5_000_000),
    "seconds": env.int("LIMIT_CALL_SECONDS", default=4 * 3600),
}
PROVIDER_KEYS_FILE = Path(env("PROVIDER_KEYS_FILE", default=str(SITE_DIR / "keys" / "providers.json")))

# Who else holds the log's checkpoints (docs/witnesses.md), and how many must cosign before a prompt leaves.
WITNESSES = env.json("WITNESSES", default={})
WITNESSES_REQUIRED = env.int("WITNESSES_REQUIRED", default=0)
WITNESS_SECONDS = env.float("WITNESS_SECONDS", default=10.0)
EMAIL_HOST = env("EMAIL_HOST", default="")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = WITNESS_SECONDS
NOTICES_BY_MAIL = bool(EMAIL_HOST)
SITE_URL = env("SITE_URL", default="http://localhost:8000").rstrip("/")  # how mails name this site
DEFAULT_FROM_EMAIL = env("EMAIL_FROM", default="llmsynthor@localhost")

# Celery: the database row is the job, the message only a kick, so results are never kept.
CELERY_BROKER_URL = env("BROKER_URL", default="filesystem://localhost")
if CELERY_BROKER_URL.startswith("filesystem"):
    for folder in ("messages", "control"):
        (SITE_DIR / "broker" / folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(SITE_DIR / "broker" / "messages"),
        "data_folder_out": str(SITE_DIR / "broker" / "messages"),
        "control_folder": str(SITE_DIR / "broker" / "control"),
        "polling_interval": 0.1,
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "mail"
CELERY_TASK_ROUTES = {
    "llmsynthor_site.tasks.measure": {"queue": "measure"},
    "llmsynthor_site.tasks.attach": {"queue": "measure"},
    "llmsynthor_site.tasks.structure": {"queue": "synthesise"},
    "llmsynthor_site.tasks.synthesise": {"queue": "synthesise"},
    "llmsynthor_site.tasks.simulate": {"queue": "measure"},
    "llmsynthor_site.tasks.shard": {"queue": "synthesise"},
    "llmsynthor_site.tasks.compare": {"queue": "measure"},
    "llmsynthor_site.tasks.pack": {"queue": "synthesise"},
    "llmsynthor_site.tasks.probe": {"queue": "synthesise"},
    "llmsynthor_site.tasks.check_log": {"queue": "mail"},
    "llmsynthor_site.tasks.mail_notices": {"queue": "mail"},
    "llmsynthor_site.tasks.send_webhooks": {"queue": "mail"},
    "llmsynthor_site.tasks.sweep": {"queue": "mail"},
    "llmsynthor_site.tasks.reconcile": {"queue": "mail"},
    "llmsynthor_site.tasks.remind": {"queue": "mail"},
    "llmsynthor_site.tasks.submit_checkpoints": {"queue": "witness"},
}
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "llmsynthor_site.tasks.sweep", "schedule": 30.0},
    "remind": {"task": "llmsynthor_site.tasks.remind", "schedule": 3600.0},
    "reconcile": {"task": "llmsynthor_site.tasks.reconcile", "schedule": 600.0},
    "submit_checkpoints": {"task": "llmsynthor_site.tasks.submit_checkpoints", "schedule": 30.0},
}
(SITE_DIR / "broker").mkdir(exist_ok=True)
CELERY_BEAT_SCHEDULE_FILENAME = str(SITE_DIR / "broker" / "beat")
JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=300)  # longer than a call through the door
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "llmsynthor_site.operations.json_logs.Json"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env("LOG_FORMAT", default="json" if PRODUCTION else "line"),
        }
    },
    # A refused request is not worth a line, and its path may hold the token of a download link.
    "loggers": {"django.request": {"level": "ERROR"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="WARNING")},
}
