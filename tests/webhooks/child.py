"""A worker process in miniature for tests that kill it: one drain on the database of the environment."""

import sys

import django


def main() -> None:
    django.setup()
    from django.conf import settings

    settings.WEBHOOK_TIMEOUT_SECONDS = float(sys.argv[1])
    from webhooks import delivery

    print("draining", flush=True)
    print(delivery.drain(linger_seconds=0), flush=True)


if __name__ == "__main__":
    main()
