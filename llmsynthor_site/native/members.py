"""Which processes a site consists of, and how each is started; docker/compose.yaml starts the same ones."""

from __future__ import annotations

from llmsynthor_site.demo.processes import WEB

CELERY = ("-m", "celery", "-A", "llmsynthor_site")
QUIET = ("--loglevel", "WARNING")


def worker(queue: str) -> tuple[str, ...]:
    """A worker of one queue, one job at a time: more jobs at once are more workers."""
    return (*CELERY, "worker", "-Q", queue, "--concurrency", "1", *QUIET)


# Name of the service -> arguments of Python. The names are those of docker/compose.yaml.
MEMBERS: dict[str, tuple[str, ...]] = {
    "door": ("manage.py", "run_door"),
    "measure": worker("measure"),
    "synthesise": worker("synthesise"),
    "mail": worker("mail"),
    "submit": worker("witness"),
    "beat": (*CELERY, "beat", *QUIET),
    "web": WEB,
}
WORKERS = ("measure", "synthesise", "mail", "submit")
