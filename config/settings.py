"""All settings, read from the environment. Environments differ by values, not by code; see .env.example."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
if env_file := env.str("ENV_FILE", default=str(BASE_DIR / ".env")):
    environ.Env.read_env(env_file)

DEMO = env.bool("DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS")
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default="")

INSTALLED_APPS = [
    "unfold",
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
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
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
ATOMIC_REQUESTS = False  # a processor is never called inside a transaction
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a writer waits at BEGIN instead of failing in the middle
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# --- Broker and cache -----------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}

# --- People ---------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
] + [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}}]

LANGUAGE_CODE = "en"
LANGUAGES = [("uz", "Oʻzbekcha"), ("ru", "Русский"), ("en", "English")]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"

# --- Processors: addresses by mode, credentials of the house accounts ------------------------------------------
LAB_URL = env.str("LAB_URL", default="").rstrip("/")
PROCESSOR_URLS = {  # an empty text is the processor's own address
    ("stripe", "live"): env.str("STRIPE_LIVE_URL", default=""),
    ("stripe", "test"): env.str("STRIPE_TEST_URL", default=f"{LAB_URL}/stripe" if LAB_URL else ""),
}
HOUSE_CREDENTIALS = {  # processor → credential field → text
    "stripe": {
        "secretKey": env.str("STRIPE_SECRET_KEY", default=""),
        "webhookSecret": env.str("STRIPE_WEBHOOK_SECRET", default=""),
    },
}

# --- Rules of money -------------------------------------------------------------------------------------------
ORDER_LIFETIME_HOURS = env.int("ORDER_LIFETIME_HOURS", default=24)
REFUND_APPROVAL_ABOVE_MINOR = env.int("REFUND_APPROVAL_ABOVE_MINOR", default=100_000)
REVIEW_ALARM_MINUTES = env.int("REVIEW_ALARM_MINUTES", default=15)

# --- Webhooks -------------------------------------------------------------------------------------------------
WEBHOOK_SIGNING_SECRET = env.str("WEBHOOK_SIGNING_SECRET", default="")
WEBHOOK_ALLOWED_NETWORKS = env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])
WEBHOOK_TIMEOUT_SECONDS = 10

# --- Limits ---------------------------------------------------------------------------------------------------
RATE_LIMIT_SCALE = 100 if DEMO else 1
ANONYMOUS_CALLS_PER_MINUTE = env.int("ANONYMOUS_CALLS_PER_MINUTE", default=120)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
