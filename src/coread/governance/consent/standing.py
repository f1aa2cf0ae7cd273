"""How a person stands to a use: a pure function of the decisions in their order, and of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from coread.domain.consent import NEEDS, Act, Decision, Permit, Rule, Standing, Status, Use

_DENIALS = {Act.REFUSED: Status.REFUSED, Act.WITHDRAWN: Status.WITHDRAWN}


def standing(decisions: Sequence[Decision], use: Use, rule: Rule, at: datetime) -> Standing:
    """Say how a person stands to a use at a time.

    The last decision holds, by its place on record and not by a clock. A refusal or withdrawal holds from the
    moment it is on record, at whatever time it is asked about. A consent that has not begun yet is passed
    over. When a clock goes back, one that has begun has begun, and one that has ended does not begin anew: no
    time counts as before a decision's own recording, nor, for an end, as before the person's latest decision.

    Parameters
    ----------
    decisions
        Of one person, on any use, in the order of their places.
    use, rule
        Which use, and what holds where nothing was decided.
    at
        Time zone aware.
    """
    latest = max((decision.recorded_at for decision in decisions), default=at)
    for decision in reversed(decisions):
        if decision.use is not use:
            continue
        if decision.act in _DENIALS:
            return Standing(use, _DENIALS[decision.act], rule, decision)
        if decision.valid_from > max(at, decision.recorded_at):
            continue
        has_ended = decision.valid_until is not None and decision.valid_until <= max(at, latest)
        return Standing(use, Status.EXPIRED if has_ended else Status.GIVEN, rule, decision)
    return Standing(use, Status.NOT_ASKED, rule)


def permit(decisions: Sequence[Decision], use: Use, rule_of: Callable[[Use], Rule], at: datetime) -> Permit:
    """Say whether a person lets a use go on: all that it needs must be allowed."""
    stands = [standing(decisions, needed, rule_of(needed), at) for needed in NEEDS[use]]
    return Permit(use, next((one for one in stands if not one.is_allowed), stands[-1]))


def unknown_person(use: Use, rule_of: Callable[[Use], Rule]) -> Permit:
    """Say whether a use may go on of images that name nobody."""
    stands = [Standing(needed, Status.UNKNOWN_PERSON, rule_of(needed)) for needed in NEEDS[use]]
    return Permit(use, next((one for one in stands if not one.is_allowed), stands[-1]))
