"""All settings, read from the environment. Environments differ by values, not by code.

Every variable stands in .env.example with a sentence. Defaults are the safe ones; what must be secret has none.
"""

import os
import warnings
from pathlib import Path
from urllib.parse import unquote, urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
VERSION = "0.1.0"

env = environ.Env()
if env_file := env.str("ENV_FILE", default=str(BASE_DIR / ".env")):
    try:
        with Path(env_file).open():
            pass
        environ.Env.read_env(env_file)
    except FileNotFoundError as error:
        if "ENV_FILE" in os.environ:  # asked for, while .env may be absent
            raise ImproperlyConfigured(f"ENV_FILE: there is no file {env_file}.") from error
    except OSError as error:
        raise ImproperlyConfigured(f"ENV_FILE: {env_file} cannot be read: {error.strerror}.") from error

DEMO = env.bool("DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")  # without it nothing starts; checks.py names all that is missing
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=[])
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
IS_HTTPS = urlsplit(BASE_URL).scheme == "https"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default="")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the other one puts its own site in place of ours
    "config.apps.PayAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "django_otp",
    "axes",
    "csp",
    "providers",
    "webhooks",
    "checkout",
]

MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "config.middleware.FrontDoorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.portal_session.PortalSessionMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a POST would lose its body; both forms of an address are registered where it matters

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
            ]
        },
    }
]

# --- Database -------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'pay.sqlite3'}")}
DATABASES["default"]["ATOMIC_REQUESTS"] = False  # a processor is never called inside a transaction
# Kept open between requests: on SQLite, too, where closing the last connection writes the whole log back each time.
DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a writer waits at BEGIN instead of failing in the middle
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)

# --- Cache: counts calls and remembers capabilities, for all processes together -----------------------------------
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}
if CACHES["default"]["BACKEND"].endswith("RedisCache"):
    CACHES["default"].setdefault("OPTIONS", {}).update(socket_timeout=0.5, socket_connect_timeout=0.5)

# --- Worker ---------------------------------------------------------------------------------------------------
# A queue only makes things fast. Whatever must happen stands in the database, and periodic tasks sweep it.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
CELERY_BROKER_CONNECTION_TIMEOUT = 0.5
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker for as long as it takes
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Whoever publishes gives up after half a second and does not try again; the sweep does the rest.
    "socket_connect_timeout": 0.5,
    "socket_timeout": 2,
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "visibility_timeout": 600,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 120
CELERY_TASK_TIME_LIMIT = 150
CELERY_TASK_DEFAULT_QUEUE = "pay"
CELERY_WORKER_CONCURRENCY = env.int("CELERY_WORKER_CONCURRENCY", default=2)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"  # the schedule itself is collected from the apps in config/celery.py

# --- People ---------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
] + [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}}]
LOGIN_URL = "admin:login"
PASSWORD_RESET_TIMEOUT = 3 * 60 * 60
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # a stranger cannot lock a colleague out from elsewhere
AXES_CLIENT_IP_CALLABLE = "config.middleware.party_of"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ACCESS_FAILURE_LOG = False

LANGUAGE_CODE = "en"
LANGUAGES = [("uz", "Oʻzbekcha"), ("ru", "Русский"), ("en", "English")]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

# --- Static files -----------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
# Hashed names and packed files need `manage.py collectstatic`; without it files are served from where they lie.
STATIC_COLLECTED = env.bool("STATIC_COLLECTED", default=not (DEMO or DEBUG))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
if not STATIC_COLLECTED:  # WhiteNoise misses the folder that is not needed then
    warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
WHITENOISE_AUTOREFRESH = DEBUG

# --- What browsers are told -------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health/?$"]  # the API refuses plain HTTP instead: a key was just sent in clear
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # FrontDoorMiddleware removes it unless from our proxy
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if IS_HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = False
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Other hosts under the same domain are not ours to promise HTTPS for, unless the operator says so.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "session"
PORTAL_COOKIE_NAME = "__Host-portal" if IS_HTTPS else "portal"  # merchants' sessions: never the back office's cookie
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
CONTENT_SECURITY_POLICY = {  # pages that need more add it themselves: a form that leads away, the admin's theme
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- What comes in ------------------------------------------------------------------------------------------------
BODY_LIMIT_BYTES = 64 * 1024
CALLBACK_BODY_LIMIT_BYTES = 512 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = CALLBACK_BODY_LIMIT_BYTES
RATE_LIMIT_SCALE = 100 if DEMO else 1
# The Invoice API's service key, by mode; in the demo everything is test.
SERVICE_API_KEYS = {
    "test": env.str("SERVICE_API_KEY_TEST", default="") or (env.str("SERVICE_API_KEY", default="") if DEMO else ""),
    "live": "" if DEMO else env.str("SERVICE_API_KEY", default=""),
}
SERVICE_CALLS_PER_MINUTE = env.int("SERVICE_CALLS_PER_MINUTE", default=1200)
ANONYMOUS_CALLS_PER_MINUTE = env.int("ANONYMOUS_CALLS_PER_MINUTE", default=120)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "DZTech Pay",
    "VERSION": VERSION,
    # The schema that is served is made with settings of its own, in checkout/api/reference.py, and tested there.
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

# --- Processors: addresses by mode, credentials of the house accounts ------------------------------------------
LAB_URL = env.str("LAB_URL", default="").rstrip("/")
PROCESSOR_URLS = {  # an empty text is the processor's own address
    ("stripe", "live"): env.str("STRIPE_LIVE_URL", default=""),
    ("stripe", "test"): env.str("STRIPE_TEST_URL", default=f"{LAB_URL}/stripe" if LAB_URL else ""),
    ("razorpay", "live"): env.str("RAZORPAY_LIVE_URL", default=""),
    ("razorpay", "test"): env.str("RAZORPAY_TEST_URL", default=f"{LAB_URL}/razorpay" if LAB_URL else ""),
    # One host for both modes: a test checkout is marked as such, not sent elsewhere.
    ("secure_processor", "live"): env.str("SECURE_PROCESSOR_API_BASE_URL", default=""),
    ("secure_processor", "test"): (
        f"{LAB_URL}/secure_processor" if LAB_URL else env.str("SECURE_PROCESSOR_API_BASE_URL", default="")
    ),
    ("payme", "live"): env.str("PAYME_LIVE_URL", default=""),
    ("payme", "test"): env.str("PAYME_TEST_URL", default=f"{LAB_URL}/payme" if LAB_URL else ""),
    ("click", "live"): env.str("CLICK_LIVE_URL", default=""),
    ("click", "test"): env.str("CLICK_TEST_URL", default=f"{LAB_URL}/click" if LAB_URL else ""),
    ("uzum", "live"): env.str("UZUM_LIVE_URL", default=""),
    ("uzum", "test"): env.str("UZUM_TEST_URL", default=f"{LAB_URL}/uzum" if LAB_URL else ""),
    ("multicard", "live"): env.str("MULTICARD_LIVE_URL", default=""),
    ("multicard", "test"): env.str("MULTICARD_TEST_URL", default=f"{LAB_URL}/multicard" if LAB_URL else ""),
}
HOUSE_CREDENTIALS = {  # processor → credential field → text
    "stripe": {
        "secretKey": env.str("STRIPE_SECRET_KEY", default=""),
        "webhookSecret": env.str("STRIPE_WEBHOOK_SECRET", default=""),
    },
    "razorpay": {
        "keyId": env.str("RAZORPAY_KEY_ID", default=""),
        "keySecret": env.str("RAZORPAY_KEY_SECRET", default=""),
        "webhookSecret": env.str("RAZORPAY_WEBHOOK_SECRET", default=""),
    },
    "secure_processor": {
        "shopId": env.str("SECURE_PROCESSOR_SHOP_ID", default=""),
        "secretKey": env.str("SECURE_PROCESSOR_SECRET_KEY", default=""),
        "publicKey": env.str("SECURE_PROCESSOR_PUBLIC_KEY", default=""),
    },
}
# Where the credentials themselves do not say their mode.
HOUSE_MODES = {"secure_processor": "test" if env.bool("SECURE_PROCESSOR_TEST_MODE", default=True) else "live"}
PROCESSOR_SETTINGS = {  # further addresses and switches of an adapter (AdapterConfig.settings); empty ones are left out
    "secure_processor": {
        "gateway_url": env.str("SECURE_PROCESSOR_GATEWAY_URL", default=""),
        "widget_src": env.str("SECURE_PROCESSOR_WIDGET_SRC", default=""),
        "checkout_url": env.str("SECURE_PROCESSOR_CHECKOUT_URL", default=""),
        "checkout_token_path": env.str("SECURE_PROCESSOR_CHECKOUT_TOKEN_PATH", default=""),
        "request_shape": env.str("SECURE_PROCESSOR_REQUEST_SHAPE", default="nested"),
        "accepts_missing_signature": (
            "yes" if env.bool("SECURE_PROCESSOR_TEST_ACCEPTS_MISSING_SIGNATURE", default=False) else ""
        ),
    },
}

# --- Rules of money -------------------------------------------------------------------------------------------
ORDER_LIFETIME_HOURS = env.int("ORDER_LIFETIME_HOURS", default=24)
REFUND_APPROVAL_ABOVE_MINOR = env.int("REFUND_APPROVAL_ABOVE_MINOR", default=100_000)
REFUND_APPROVAL_LIMITS = env.dict("REFUND_APPROVAL_LIMITS", default={"UZS": "1200000000"})
REVIEW_ALARM_MINUTES = env.int("REVIEW_ALARM_MINUTES", default=15)
UZUM_WEB_LINK = env.bool("UZUM_WEB_LINK", default=True)

# --- Webhooks -------------------------------------------------------------------------------------------------
WEBHOOK_SIGNING_SECRET = env.str("WEBHOOK_SIGNING_SECRET", default="")
WEBHOOK_ALLOWED_NETWORKS = env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])
WEBHOOK_TIMEOUT_SECONDS = env.int("WEBHOOK_TIMEOUT_SECONDS", default=10)
WEBHOOK_DRAINS = env.int("WEBHOOK_DRAINS", default=1)
WEBHOOK_DRAIN_SECONDS = env.int("WEBHOOK_DRAIN_SECONDS", default=20)
WEBHOOK_IN_FLIGHT = env.int("WEBHOOK_IN_FLIGHT", default=64)
WEBHOOK_FIRST_PER_HOST = env.int("WEBHOOK_FIRST_PER_HOST", default=4)
WEBHOOK_MOST_PER_HOST = env.int("WEBHOOK_MOST_PER_HOST", default=32)

# --- Letters: receipts by e-mail. Without EMAIL_URL none are written --------------------------------------------
EMAIL_URL = env.str("EMAIL_URL", default="")
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=SUPPORT_EMAIL)
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
try:
    for _name, _value in (env.email_url_config(EMAIL_URL) if EMAIL_URL else {}).items():
        if _name.startswith("EMAIL_"):
            globals()[_name] = _value
except (environ.ImproperlyConfigured, KeyError, ValueError):
    raise ImproperlyConfigured(
        "EMAIL_URL is not an address like smtp+tls://user:password@smtp.example.com:587."
    ) from None
EMAIL_PORT = globals().get("EMAIL_PORT") or {"smtp+tls": 587, "smtps": 587, "smtp+ssl": 465}.get(
    urlsplit(EMAIL_URL).scheme, 25
)
if EMAIL_URL.startswith("filemail:"):
    EMAIL_FILE_PATH = unquote(urlsplit(EMAIL_URL).path)  # the whole path: the library takes off the first slash
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)

# --- What is kept for how long ----------------------------------------------------------------------------------
CALLBACK_RETENTION_DAYS = env.int("CALLBACK_RETENTION_DAYS", default=180)
WEBHOOK_ATTEMPT_BODY_DAYS = env.int("WEBHOOK_ATTEMPT_BODY_DAYS", default=30)
IDEMPOTENCY_RETENTION_HOURS = env.int("IDEMPOTENCY_RETENTION_HOURS", default=24)

# --- Logs -------------------------------------------------------------------------------------------------------
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"pay": {"()": "config.logs.make_formatter", "style": LOG_FORMAT}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "pay"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # One line per request is ours (pay.request); Django's own repeats it for every 4xx.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "axes": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        "aiohttp": {"level": "WARNING"},
    },
}
