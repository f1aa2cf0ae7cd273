"""Statements that two sites agree upon: made anew from the account at each of them, then signed.

The coordinator makes account and statements and hands both over with the finished model. A site believes
neither: it makes the statements anew from the account, and holds its own figures in the account to what it
measured itself. Only if all is the same does it sign, and the digest goes into its ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from coread.learning.federated.contribution.statement import Account, Statement, canonical, digest, statements
from coread.learning.federated.contribution.values import Value
from coread.learning.federated.keys import verifier

NEAR = 1e-6
"""By how much a figure may differ that two machines have measured: they are rounded to 6 digits."""

_FORM = b"coread contribution statements 1\n"


def account_from(
    result: Mapping[str, Any], measure: str, worth: Mapping[str, float], compute_s: Mapping[str, float]
) -> Account:
    """Put the account of a federation together from what is on record.

    Parameters
    ----------
    result
        As ``result.json``.
    measure
        Figure by which sites are compared, e.g. ``auc``; the first that every site measured if empty.
    worth
        Of each coalition, by name; empty if none was trained.
    compute_s
        Seconds of training that each site gave; empty where the coordinator does not learn them.
    """
    sites = sorted(result["took_part"])
    held = {site: result["sites"].get(site, {}) for site in sites}
    named = measure or first_measure(result)
    return Account(
        federation=f"{result['plan']} {result['plan_sha256'][:16]}",
        score=named,
        worth=dict(worth),
        seat={site: site for site in sites},
        estimated={},
        signals={site: {"rounds": int(result["took_part"][site])} for site in sites},
        compute_s={site: float(compute_s.get(site, 0.0)) for site in sites},
        before={site: _number(held[site].get("alone", {}).get(named)) for site in sites},
        after={site: _number(held[site].get("federation", {}).get(named)) for site in sites},
    )


def first_measure(result: Mapping[str, Any]) -> str:
    """Name of the first figure, by the alphabet, of which any site's gain was measured."""
    names = {name for held in result["sites"].values() for name in held.get("gain", {})}
    return min(names, default="")


def read_account(held: Mapping[str, Any]) -> Account:
    """Read an account that came as JSON.

    Raises
    ------
    ValueError
        If it lacks or adds something.
    """
    try:
        estimated = {name: Value(**one) for name, one in held["estimated"].items()}
        return Account(**{**held, "estimated": estimated})
    except (TypeError, KeyError, AttributeError) as fault:
        raise ValueError(f"an account that cannot be read: {fault}") from fault


def told(account: Account) -> dict[str, Any]:
    """Account, statements and their digest, as they go to the sites (JSON)."""
    made = statements(account)
    return {"account": asdict(account), "statements": json.loads(canonical(made)), "sha256": digest(made)}


def differences(
    given: Mapping[str, Any], site: str, own: tuple[float | None, float | None], result: Mapping[str, Any]
) -> list[str]:
    """Say what in the statements a site cannot agree to; empty if nothing.

    Parameters
    ----------
    given
        As `told` made it.
    site, own
        Who asks, and what it measured itself: the score of its own model and of the federation's.
    result
        The figures that came with them.
    """
    try:
        account = read_account(given["account"])
        made = statements(account)
    except (ValueError, KeyError) as fault:
        return [str(fault)]
    found = [*_of_account(account, result, site, own), *_of_statements(made, given.get("statements", {}))]
    if not found and given.get("sha256") != digest(made):
        found.append(f"digest {str(given.get('sha256'))[:16]} given, {digest(made)[:16]} computed")
    return found


def _of_account(
    account: Account, result: Mapping[str, Any], site: str, own: tuple[float | None, float | None]
) -> Iterator[str]:
    if set(account.seat) != set(result["took_part"]):
        yield "an account of other sites than those that took part"
        return
    told_ = account_from(result, account.score, account.worth, account.compute_s)
    for name in sorted(account.seat):
        for what, here, there in (
            ("alone", account.before.get(name), told_.before[name]),
            ("in the federation", account.after.get(name), told_.after[name]),
            ("rounds", account.signals[name].get("rounds"), told_.signals[name]["rounds"]),
        ):
            if not _near(here, there):
                yield f"{name}, {what}: {_said(here)} in the account, {_said(there)} in the result"
    for what, here, there in zip(("alone", "in the federation"), own, _figures(account, site), strict=True):
        if not _near(here, there):
            yield f"{site}, {what}: {_said(there)} in the account, {_said(here)} measured here"


def _figures(account: Account, site: str) -> tuple[float | None, float | None]:
    return account.before.get(site), account.after.get(site)


def _of_statements(made: Mapping[str, Statement], given: Mapping[str, Any]) -> Iterator[str]:
    ours = json.loads(canonical(made))
    for name in sorted(set(ours) | set(given)):
        here, there = ours.get(name, {}), given.get(name, {})
        for key in sorted(set(here) | set(there)):
            if here.get(key) != there.get(key):
                yield f"{name}, {key}: {_said(there.get(key))} stated, {_said(here.get(key))} computed"


def _near(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return abs(float(one) - float(other)) <= NEAR


def _number(held: Any) -> float | None:
    return round(float(held), 6) if isinstance(held, int | float) and not isinstance(held, bool) else None


def _said(held: Any) -> str:
    return "nothing" if held is None else f"{held:g}" if isinstance(held, float) else str(held)


def signed_text(plan_sha256: str, sha256: str) -> bytes:
    """What a site signs: form, plan and the digest of all statements."""
    return _FORM + f"{plan_sha256}\n{sha256}\n".encode()


def agreed(
    plan_sha256: str, sha256: str, signatures: Mapping[str, str], keys: Mapping[str, str]
) -> list[str]:
    """Sites whose signature under the statements holds.

    Parameters
    ----------
    plan_sha256, sha256
        Of the plan and of all statements.
    signatures
        Hex, by site.
    keys
        Signing key (hex) of each site, from the plan.
    """
    text = signed_text(plan_sha256, sha256)
    return sorted(
        site
        for site, signature in signatures.items()
        if verifier(keys.get(site, ""), bytes.fromhex(signature), text)
    )
