"""What the record of an act says beside the act: by which software, cards, thresholds and rules it was done.

Everything that is large or typed stands there as SHA-256: whoever has the thing itself can prove that it is
the one that was used, and nobody else learns of it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

from coread import __version__
from coread.casebook import to_json
from coread.domain.bundle import Card
from coread.domain.finding import Finding, HeatMap
from coread.domain.reading import Reading
from coread.domain.review import SignedReport
from coread.review.policy import Policy
from coread.review.table import Table


def decision_record(table: Table, reading: Reading, finding: Finding) -> dict[str, str]:
    """Return the facts of a decision on a reader's finding, beside the decision itself."""
    card = table.sources.cards(reading.reader.name)
    return circumstances(table) | {
        "card_sha256": _digest(to_json(card)) if card else "",
        "thresholds_sha256": _digest(_thresholds(card)) if card else "",
        "output_sha256": _digest(_output(finding)),
        "explanation_sha256": _heat_map_digest(finding.heat_map) if finding.heat_map else "",
        "presence": str(finding.presence),
    }


def signature_record(table: Table, report: SignedReport) -> dict[str, str]:
    """Return the facts of a signature, beside the report itself: what was decided, in how many seconds."""
    verdicts = Counter(str(decision.verdict or "added") for decision in report.decisions)
    return circumstances(table) | {
        "active_s": f"{sum(decision.active_s for decision in report.decisions):g}",
        "verdicts": " ".join(f"{verdict}:{count}" for verdict, count in sorted(verdicts.items())),
        "decisions_sha256": _digest(to_json(list(report.decisions))),
    }


def circumstances(table: Table) -> dict[str, str]:
    """Return the software, the house's rules, and whether this person gave an opinion before the readers'."""
    impression = table.record.impressions.get(table.person.id)
    return dict(table.ai_permit.facts) | {
        "software": f"coread {__version__}",
        "config_sha256": _digest(_rules(table.sources.policy)),
        "opinion": "before-reader" if impression else "none",
        "opinion_sha256": _digest(to_json(impression)) if impression else "",
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _thresholds(card: Card) -> str:
    declared = card.all_findings
    return json.dumps(sorted([one.code.scheme, one.code.value, one.threshold] for one in declared))


def _rules(policy: Policy) -> str:
    return to_json(replace(policy, urgent_modalities=frozenset())) + json.dumps(
        sorted(policy.urgent_modalities)
    )


def _output(finding: Finding) -> str:
    """Write what a reader said, its pictures as digests."""
    outlines = [
        [o.image.sop_instance_uid, o.frame, *o.corner, *o.size, hashlib.sha256(o.bits).hexdigest()]
        for o in finding.outlines
    ]
    said = to_json(replace(finding, heat_map=None, outlines=()))
    return json.dumps([said, _heat_map_digest(finding.heat_map) if finding.heat_map else "", outlines])


def _heat_map_digest(heat_map: HeatMap) -> str:
    values = heat_map.values
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
