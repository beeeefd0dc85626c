#!/usr/bin/env python
"""Django's command line for DZTech Pay."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        from checkout.management.demo import household

        household.prepare(starts="--code" not in sys.argv)
    elif sys.argv[1:2] in (["certify"], ["doctor"]):
        from checkout.management.demo import household

        household.join()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:  # a variable is wrong: whoever reads this did not write the code
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
