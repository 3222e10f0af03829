"""Celery tasks: each only looks at the row its message points to, so a doubled or lost message does no harm."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from audit import checking, events, witnessing
from audit import log as audit_log
from llmsynthor_site import answers, beats, notices, reminders, returning, webhooks
from privacy import retention
from privacy import services as registering
from synthesis import jobs, packing, probing, reconciling, running, sharding, simulating, structuring

RECONCILED = timedelta(days=3)


@shared_task(name="llmsynthor_site.tasks.measure")
def measure(request_id: str) -> None:
    # Imported here, so that a worker which only synthesises never loads the vault or OpenDP.
    from llmsynthor_site import joining

    joining.measure(request_id)


@shared_task(name="llmsynthor_site.tasks.compare")
def compare(request_id: str) -> None:
    from llmsynthor_site import disclosing  # imported here for the same reason

    disclosing.compare(request_id)


@shared_task(name="llmsynthor_site.tasks.pack")
def pack(request_id: str) -> None:
    packing.finish(request_id)


@shared_task(name="llmsynthor_site.tasks.attach")
def attach(dataset_id: str) -> None:
    from privacy import attaching  # for the same reason: it reaches owners' engines

    attaching.attach(dataset_id)


@shared_task(name="llmsynthor_site.tasks.structure")
def structure(request_id: str) -> None:
    events.flush()  # the approval is in the log before anything follows from it
    structuring.carry_out(request_id)


@shared_task(name="llmsynthor_site.tasks.synthesise")
def synthesise(request_id: str) -> None:
    events.flush()  # the approval is in the log before anything follows from it
    running.synthesise(request_id)


@shared_task(name="llmsynthor_site.tasks.simulate")
def simulate(simulation_id: str) -> None:
    # Imported here, so that a worker which only synthesises never loads OpenDP.
    from llmsynthor_site import rehearsing

    rehearsing.carry_out(simulation_id)


@shared_task(name="llmsynthor_site.tasks.shard")
def shard(batch: str) -> None:
    """One shard a message, so that a worker that is asked to stop is done soon."""
    sharding.lend_a_hand(batch)


@shared_task(name="llmsynthor_site.tasks.probe")
def probe(probe_id: str) -> None:
    probing.carry_out(probe_id)


@shared_task(name="llmsynthor_site.tasks.check_log")
def check_log(check: int) -> None:
    checking.carry_out(check)


@shared_task(name="llmsynthor_site.tasks.mail_notices")
def mail_notices() -> None:
    notices.deliver()


@shared_task(name="llmsynthor_site.tasks.send_webhooks")
def send_webhooks() -> None:
    webhooks.deliver()


@shared_task(name="llmsynthor_site.tasks.sweep")
def sweep() -> None:
    """Bring the outbox into the log and anchor it, end what is over its time, kick jobs whose worker fell silent."""
    events.flush()
    audit_log.checkpoint()
    retention.destroy_expired()
    jobs.sweep()
    returning.give_back()
    returning.destroy_exact()
    probing.sweep()
    registering.sweep()
    simulating.sweep()
    for check in checking.waiting():
        checking.kick(check)
    notices.deliver()
    webhooks.deliver()
    answers.forget()
    beats.forget()
    beats.of_task("sweep")


@shared_task(name="llmsynthor_site.tasks.remind")
def remind() -> None:
    """Expire what is over, tell people of what has waited for them too long, and clear away what nobody finished."""
    reminders.daily()
    packing.discard_halves()
    beats.of_task("remind")


@shared_task(name="llmsynthor_site.tasks.reconcile")
def reconcile() -> None:
    """Compare the calls of the last days with the door's own count; what disagrees becomes a finding."""
    reconciling.open_findings(reconciling.compare(since=timezone.now() - RECONCILED))
    beats.of_task("reconcile")


@shared_task(name="llmsynthor_site.tasks.submit_checkpoints")
def submit_checkpoints() -> None:
    """Hand the newest checkpoint to every witness that has not seen it; one that fails holds up no other."""
    witnessing.submit_newest()
    beats.of_task("submit_checkpoints")
