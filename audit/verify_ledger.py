"""Was every measurement paid for before it was made, and did nobody spend more than the cap?"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from audit.archive import Archive
from audit.findings import Findings
from audit.leaves import Leaf

_LEDGER = "privacy:ledger:"
_ZERO = Decimal(0)


@dataclass(slots=True)
class Account:
    """What one population's people have borne so far. A forfeited reservation counts as spent."""

    cap: Decimal | None = None
    cap_delta: Decimal = _ZERO
    spent: Decimal = _ZERO
    spent_delta: Decimal = _ZERO
    charges: dict[str, Leaf] = field(default_factory=dict)
    reserved: dict[str, Decimal] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Proposals of a higher cap that were declined or withdrawn."""
    set_aside: Decimal = _ZERO

    def reserve(self, name: str, rho: Decimal) -> None:
        """What this reservation holds from now on; ``set_aside`` is the sum over all of them."""
        self.set_aside += rho - self.reserved.get(name, _ZERO)
        self.reserved[name] = rho


def check(archive: Archive, findings: Findings) -> None:
    accounts: dict[str, Account] = {}
    used: set[str] = set()
    for leaf in archive.leaves:
        if leaf.action.startswith(_LEDGER):
            account = accounts.setdefault(str(leaf.facts.get("population")), Account())
            _post(leaf, account, findings)
        elif leaf.action in ("privacy:cap_raise:declined", "privacy:cap_raise:withdrawn"):
            account = accounts.setdefault(str(leaf.facts["population"]), Account())
            account.refused.add(str(leaf.facts["proposal"]))
        elif leaf.action in ("privacy:release:measured", "privacy:check:measured"):
            account = accounts.get(str(leaf.facts.get("population")), Account())
            _paid(leaf, account, used, findings)
    findings.counts["populations"] = len(accounts)


def _post(leaf: Leaf, account: Account, findings: Findings) -> None:
    place, step = f"entry {leaf.index}", leaf.action.removeprefix(_LEDGER)
    try:
        rho, delta = _quantity(leaf.facts["rho"]), _quantity(leaf.facts["delta"])
    except (KeyError, ValueError):
        findings.broken("ledger", place, "rho and delta must be decimal strings, not below zero")
        return
    if step in ("cap_set", "cap_raise"):
        _raised(leaf, account, (rho, delta), findings)
        account.cap, account.cap_delta = rho, delta
    elif step == "reserve":
        account.reserve(str(leaf.facts.get("entry")), rho)
    elif step in ("commit", "forfeit"):
        account.spent, account.spent_delta = account.spent + rho, account.spent_delta + delta
        findings.counts[f"ledger {step}s"] += 1
    if step not in ("cap_set", "cap_raise"):
        _draw(leaf, step, rho, account, findings)
        _within(account, place, findings)
    if step == "commit":
        name = str(leaf.facts.get("entry"))
        findings.expect(name not in account.charges, "ledger", place, f"charge {name} is booked twice")
        account.charges[name] = leaf


def _raised(leaf: Leaf, account: Account, cap: tuple[Decimal, Decimal], findings: Findings) -> None:
    """A cap is set once, and raised only by two people."""
    place = f"entry {leaf.index}"
    if leaf.action.endswith("cap_set"):
        findings.expect(account.cap is None, "ledger", place, "a cap is set a second time")
        return
    people = {str(leaf.facts.get("proposed_by")), str(leaf.facts.get("confirmed_by"))}
    findings.expect(len(people) == 2, "ledger", place, "one person alone raised a cap")
    refused = str(leaf.facts.get("proposal")) in account.refused
    findings.expect(not refused, "ledger", place, "a cap is raised whose proposal was declined or withdrawn")
    higher = account.cap is not None and cap[0] >= account.cap and cap[1] >= account.cap_delta
    findings.expect(higher, "ledger", place, "a raise lowers the cap, or comes before any cap")


def _draw(leaf: Leaf, step: str, rho: Decimal, account: Account, findings: Findings) -> None:
    """What an entry takes out of its reservation; one that closes the reservation takes the whole rest."""
    name = leaf.facts.get("reservation")
    if name is None:
        return
    place, left = f"entry {leaf.index}", account.reserved.get(str(name), _ZERO)
    findings.expect(rho <= left, "ledger", place, f"takes more than reservation {name} still holds")
    account.reserve(str(name), left - rho if step == "commit" else _ZERO)


def _within(account: Account, place: str, findings: Findings) -> None:
    if findings.expect(account.cap is not None, "ledger", place, "privacy loss spent before any cap was set"):
        promised = account.spent + account.set_aside
        kept = promised <= (account.cap or _ZERO) and account.spent_delta <= account.cap_delta
        findings.expect(kept, "ledger", place, "the privacy loss spent and reserved exceeds the population's cap")


def _paid(leaf: Leaf, account: Account, used: set[str], findings: Findings) -> None:
    place = f"entry {leaf.index}"
    for name in map(str, leaf.facts["measurements"]):
        findings.counts["measurements"] += 1
        findings.expect(name in account.charges, "ledger", place, f"measurement {name} was not charged before")
        findings.expect(name not in used, "ledger", place, f"charge {name} pays for two releases")
        used.add(name)


def _quantity(value: object) -> Decimal:
    if not isinstance(value, str):
        raise ValueError("not a decimal string")
    try:
        quantity = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("not a decimal string") from error
    if not quantity.is_finite() or quantity < 0:
        raise ValueError("not finite, or below zero")
    return quantity
