from __future__ import annotations

import numpy as np
import pytest

from coread.domain.finding import Presence
from coread.evaluation.certainty import Promise, fit_conformal
from coread.readers.uncertainty import PredictionSets

BOTH = frozenset({Presence.ABSENT, Presence.PRESENT})


def test_a_probability_rules_out_what_it_can():
    sets = PredictionSets(0.9, (0.3, 0.4), {"AP": (0.8, 0.8)}, "patients")
    assert sets.possible(0.9) == {Presence.PRESENT}
    assert sets.possible(0.1) == {Presence.ABSENT}
    assert sets.possible(0.5) == frozenset()
    assert sets.possible(0.5, "AP") == BOTH
    assert sets.possible(0.5, "unheard of") == frozenset()


def test_the_reader_says_why_it_does_not_decide():
    sets = PredictionSets(0.9, (0.3, 0.4), {}, "patients")
    assert sets.reason(frozenset({Presence.PRESENT})) is None
    assert "90 %" in sets.reason(BOTH).text
    assert sets.reason(BOTH).code == "both-possible"
    assert sets.reason(frozenset()).code == "neither-fits"


def test_the_clinic_s_sets_are_those_of_the_lab():
    rng = np.random.default_rng(0)
    p = rng.random(400)
    truth = (rng.random(400) < p).astype(int)
    both = np.stack([1 - p, p], axis=1)
    fitted = fit_conformal(both, truth, Promise(0.9, by_class=True))
    sets = PredictionSets(0.9, fitted.limits, {}, "patients")
    of_lab = fitted.sets(both)
    for row, probability in enumerate(p):
        possible = sets.possible(float(probability))
        assert [Presence.ABSENT in possible, Presence.PRESENT in possible] == of_lab[row].tolist()


def test_an_impossible_level_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        PredictionSets(1.0, (0.5, 0.5), {}, "patients")
