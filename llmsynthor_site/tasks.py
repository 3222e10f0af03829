"""Celery tasks: each only looks at the row its message points to, so a doubled or lost message does no harm."""

from __future__ import annotations

from celery import shared_task

from audit import checking, events
from audit import log as audit_log
from privacy import retention
from synthesis import jobs, running


@shared_task(name="llmsynthor_site.tasks.measure")
def measure(request_id: str) -> None:
    # Imported here, so that a worker which only synthesises never loads the vault or OpenDP.
    from llmsynthor_site import joining

    joining.measure(request_id)


@shared_task(name="llmsynthor_site.tasks.synthesise")
def synthesise(request_id: str) -> None:
    events.flush()  # the approval is in the log before anything follows from it
    running.synthesise(request_id)


@shared_task(name="llmsynthor_site.tasks.check_log")
def check_log(check: int) -> None:
    checking.carry_out(check)


@shared_task(name="llmsynthor_site.tasks.sweep")
def sweep() -> None:
    """Bring the outbox into the log and anchor it, end what is over its time, kick jobs whose worker fell silent."""
    events.flush()
    audit_log.checkpoint()
    retention.destroy_expired()
    jobs.sweep()
    for check in checking.waiting():
        checking.kick(check)
