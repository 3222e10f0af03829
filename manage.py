#!/usr/bin/env python
"""Django's command line for one site."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
    # OpenDP turns backtraces on when this is unset, which makes every failed search step 600 times slower.
    os.environ.setdefault("RUST_BACKTRACE", "0")
    # Sums of several threads do not repeat bit for bit, and a run must.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from django.core.management import execute_from_command_line

    from audit.errors import AuditError

    try:
        execute_from_command_line(sys.argv)
    except AuditError as refused:  # what the log refuses is an answer, not a crash
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"CommandError: {refused}")


if __name__ == "__main__":
    main()
