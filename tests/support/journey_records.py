"""A record system as a hospital has one: takes FHIR R4 transactions, and refuses what is not valid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fhirkit
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coread.gateways.serving import WebServer

Resource = dict[str, Any]


class RecordSystem:
    """What has been put there, in every version, the newest last."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Resource]] = {}
        self.refused: list[str] = []
        self.url = ""

    def of(self, kind: str) -> list[Resource]:
        """Return the newest version of each resource of a kind."""
        return [versions[-1] for name, versions in self.versions.items() if name.startswith(f"{kind}/")]

    def reports_of(self, study_uid: str) -> list[Resource]:
        """Return the newest version of each DiagnosticReport about a study, by doctors and readers."""
        studies = {f"ImagingStudy/{s['id']}" for s in self.of("ImagingStudy") if study_uid in json.dumps(s)}
        reports = self.of("DiagnosticReport")
        return [r for r in reports if {item["reference"] for item in r["imagingStudy"]} & studies]

    def doctors_reports_of(self, study_uid: str) -> list[Resource]:
        """Return the newest version of each DiagnosticReport of a doctor about a study."""
        return [r for r in self.reports_of(study_uid) if "reference" in r["performer"][0]]

    def observations_of(self, study_uid: str) -> list[str]:
        """Return the statuses of all that was observed in a study, sorted."""
        wanted = {item["reference"] for r in self.reports_of(study_uid) for item in r.get("result", ())}
        return sorted(str(self.versions[name][-1]["status"]) for name in wanted)

    async def take(self, request: Request) -> Response:
        """Carry out a transaction, whole or not at all."""
        body = await request.body()
        return await run_in_threadpool(self._carry_out, body)

    def _carry_out(self, body: bytes) -> Response:
        issues = [str(issue) for issue in fhirkit.validate(body.decode())]
        bundle = json.loads(body)
        names = {entry["request"]["url"] for entry in bundle["entry"]}
        missing = [reference for reference in _references(bundle) if not self._is_known(reference, names)]
        issues += [f"{reference} is not here" for reference in missing]
        if issues:
            self.refused += issues
            issue = {"severity": "error", "code": "invalid"}
            return JSONResponse({"resourceType": "OperationOutcome", "issue": [issue]}, 422)
        answers = []
        for entry in bundle["entry"]:
            versions = self.versions.setdefault(entry["request"]["url"], [])
            answers.append({"response": {"status": "200 OK" if versions else "201 Created"}})
            versions.append(entry["resource"])
        return JSONResponse({"resourceType": "Bundle", "type": "transaction-response", "entry": answers})

    def _is_known(self, reference: str, names: set[str]) -> bool:
        return reference.startswith(("#", "urn:", "http")) or reference in names or reference in self.versions


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@contextmanager
def record_system() -> Iterator[RecordSystem]:
    """Open one on loopback."""
    records = RecordSystem()
    app = Starlette(routes=[Route("/fhir", records.take, methods=["POST"])])
    with WebServer(app) as server:
        records.url = f"{server.url}/fhir"
        yield records
