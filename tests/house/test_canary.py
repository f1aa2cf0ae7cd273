"""Canary names through a whole clinic: they go where care needs them, and nowhere else.

A patient whose every identifier is a word of its own is sent, read, decided on, signed, delivered, exported
and asked for wrongly in every way. Then logs, output, measures, errors, addresses, the ledger in each of its
forms and the de-identified copy are searched for the words, in all spellings in which they might get out.
"""

from __future__ import annotations

import html
import io
import json
import logging
import re
from contextlib import ExitStack, suppress

import httpx
import pytest
from canaries import ALL, COMMENT, FACTS, PASSWORD, PATIENT, found_in, leaks
from identity_site import submit
from journey_clinic import JourneyClinic, journey_clinic
from journey_records import record_system
from page_site import HTML, Visitor
from typer.testing import CliRunner

from coread.clinic import now
from coread.domain.person import Permission, Role
from coread.errors import CoReadError
from coread.gateways.cli import app
from coread.gateways.cli.ledger import _atna, _balp, _csv, _prov
from coread.governance.deidentify import Deidentifier, Pseudonyms, load_profile
from coread.governance.deidentify.export import deidentify_folder
from coread.ledger import AuditSource, Exporter

PAGES = (
    "/system", "/quality", "/audit", "/settings", "/people", "/oversight", "/approvals", "/api/v1/worklist",
)  # fmt: skip
COMMANDS = (
    "status", "study list", "quarantine list", "deliveries list", "ledger list --limit 1000",
    "archive conflicts", "settings", "oversight openings",
)  # fmt: skip
ROLES = (Role.ENGINEER, Role.QUALITY, Role.AUDITOR, Role.ADMINISTRATOR)


def entered(client: httpx.Client, login: str) -> Visitor:
    """Give a browser of somebody whose password is a canary."""
    visitor = object.__new__(Visitor)
    visitor.client = client
    assert submit(visitor.client, "/login", login=login, password=PASSWORD).status_code == 303
    visitor.csrf = visitor.client.get("/api/v1/session").json()["csrf"]
    return visitor


class House:
    """The clinic of this test, and what came out of it by channel."""

    def __init__(self, clinic: JourneyClinic, folder) -> None:
        self.clinic = clinic
        self.folder = folder
        self.channels: dict[str, str] = {}
        for role in (Role.DOCTOR, *ROLES):
            clinic.clinic.people.add(
                str(role),
                "Doctor Without Canary",
                [role],
                PASSWORD,
                by="person:test",
                at=now(),
                is_temporary=False,
            )
        self.clients: list[httpx.Client] = []
        self.doctor = entered(self.client(), "doctor")
        self.addresses: list[str] = []

    def hear(self, name: str, text: object) -> None:
        self.channels[name] = self.channels.get(name, "") + "\n" + str(text)

    def care(self) -> str:
        """Send, read, decide, sign, deliver; the doctor sees the patient at every step."""
        uid = self.clinic.drawn(**FACTS)
        page = self.doctor.page(f"/studies/{uid}")
        assert "Quillfeather" in page.text
        self.addresses += [str(page.url), *re.findall(r'(?:href|src|action)="([^"]*)"', page.text)]
        for place in range(len(self.doctor.review(uid)["findings"])):
            decided = self.doctor.decide(uid, "rejected", place, reason="other", comment=COMMENT)
            assert decided.status_code == 200, decided.text
        template = self.doctor.review(uid)["suggested_template"]
        draft = self.doctor.get(f"/api/v1/studies/{uid}/draft?template={template}&language=zh").json()
        sections = [{"name": s["name"], "text": COMMENT} for s in draft["sections"]]
        saved = self.doctor.act("PUT", uid, "draft", template=template, language="zh", sections=sections)
        assert saved.status_code == 200, saved.text
        signed = self.doctor.act("POST", uid, "sign", password=PASSWORD)
        assert signed.status_code == 200, signed.text
        self.clinic.wait_published(uid)
        pdf = self.doctor.get(f"/api/v1/studies/{uid}/reports/1.pdf")
        assert pdf.content.startswith(b"%PDF")
        self.hear("headers of the PDF", dict(pdf.headers))
        return uid

    def ask_wrongly(self, uid: str) -> None:
        """Ask in ways that are refused, with the canary in the question."""
        ask, name = self.doctor, "Quillfeather"
        wrong = (
            ask.get(f"/dicomweb/studies?{name}={name}"),
            ask.get(f"/dicomweb/studies?PatientBirthDate={name}"),
            ask.get(f"/dicomweb/studies/{name}/series"),
            ask.get(f"/fhir/DiagnosticReport?{name}={name}"),
            ask.get(f"/fhir/Observation/{name}"),
            ask.get(f"/studies/{name}"),
            ask.page(f"/studies/{uid}.1"),
            ask.page(f"/nowhere/{name}?x={name}"),
            ask.send("PUT", f"/api/v1/studies/{uid}/draft", {"template": name, "sections": COMMENT}),
            ask.act("POST", uid, "statements", code={"meaning": 5}, comment=COMMENT),
            ask.send("POST", "/api/v1/views", {"name": "", "query": COMMENT}),
            ask.client.post("/api/v1/phrases", content=COMMENT.encode(), headers={"X-CSRF-Token": ask.csrf}),
            submit(self.client(), "/login", login=name, password=PASSWORD),
            self.client().get("/dicomweb/studies", headers={"Authorization": f"Bearer {name}"}),
        )
        for number, answer in enumerate(wrong):
            assert 400 <= answer.status_code < 500, (number, answer.status_code)
            shown = answer.text
            if answer.headers["content-type"].startswith("text/html"):
                # The page leads back to the very address that was asked for, and keeps the typed login.
                asked = answer.request.url.raw_path.decode()
                shown = re.sub(r'name="login"[^>]*', "", shown).replace(html.escape(asked), "")
            self.hear(f"error {number}", shown)

    def client(self) -> httpx.Client:
        self.clients.append(httpx.Client(base_url=self.clinic.url, trust_env=False, timeout=30))
        return self.clients[-1]

    def close(self) -> None:
        for client in self.clients:
            client.close()

    def send_wrongly(self) -> None:
        """Send objects that are refused: cut short, without identifiers, of another content."""
        whole = self.clinic.image("1.2.826.77", **FACTS)
        lone = whole.replace(b"1.2.826.77.1.1", b"not a uid at ")
        for data in (whole[: len(whole) // 3], lone, whole[:132] + FACTS["PatientComments"].encode()):
            with suppress(CoReadError):
                self.clinic.send(data)
            with pytest.raises(CoReadError) as told:
                self.clinic.clinic.intake.accept_bytes(data, "test")
            self.hear("refusal of an object", told.value)
            body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--x--"
            kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
            token = self.token()
            answer = httpx.post(
                f"{self.clinic.url}/dicomweb/studies", content=body, trust_env=False,
                headers=kind | {"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            self.hear("refusal of STOW", answer.text)

    def token(self) -> str:
        owner, at = self.clinic.clinic.people.find("engineer"), now()
        scopes = frozenset({Permission.STORE_IMAGES})
        ends = at.replace(year=at.year + 1)
        return self.clinic.clinic.tokens.issue("gateway", owner.id, scopes, at, ends, by=owner.actor)

    def look_around(self, uid: str) -> None:
        """Look at all that those see who see no patients, and at what commands print."""
        for role in ROLES:
            visitor = entered(self.client(), str(role))
            for path in (*PAGES, f"/audit/studies/{uid}", f"/api/v1/studies/{uid}/review"):
                self.hear(f"pages of the {role}", visitor.get(path, headers=HTML).text)
        for path in ("/health", "/ready"):
            self.hear("measures", self.client().get(path).text)
        settings = self.folder / "coread.toml"
        settings.write_text(f'[data]\nfolder = "{self.folder / "clinic"}"\n')
        for command in (*COMMANDS, f"reading {uid}"):
            outcome = CliRunner().invoke(app, [*command.split(), "--settings", str(settings)])
            assert outcome.exit_code == 0, (command, outcome.output, outcome.exception)
            self.hear("commands", outcome.output)

    def export(self) -> None:
        """Write the ledger in each of its forms, and the images without their person."""
        clinic = self.clinic.clinic
        records, source = list(clinic.ledger.events(limit=10_000)), AuditSource()
        assert {"report.signed", "delivery.done", "instance.quarantined"} <= {r.event.kind for r in records}
        for name, form in (("BALP", _balp), ("ATNA", _atna), ("PROV", _prov), ("CSV", _csv)):
            self.hear(f"ledger as {name}", "".join(form(records, source)))
        Exporter(clinic.ledger, clinic.notary).write(self.folder / "ledger", True)
        for path in (self.folder / "ledger").rglob("*"):
            self.hear("ledger export", path.read_bytes().decode("latin-1") if path.is_file() else "")
        before = self.folder / "before"
        before.mkdir()
        for number, path in enumerate((self.folder / "clinic" / "objects").rglob("*.dcm")):
            (before / f"{number}.dcm").write_bytes(path.read_bytes())
        profile = Deidentifier(load_profile("gdpr-anonymised"), Pseudonyms(b"k" * 32, "export"))
        gone = list(deidentify_folder(before, self.folder / "out", profile))
        assert any(outcome.target for outcome in gone)
        for path in (self.folder / "out").rglob("*"):
            if path.is_file():
                kind = "report" if b"1.2.840.10008.5.1.4.1.1.88" in path.read_bytes()[:1000] else "export"
                self.hear(f"de-identified {kind}", f"{path}\n{path.read_bytes().decode('utf-8', 'replace')}")


@pytest.fixture(scope="module")
def channels(tmp_path_factory) -> dict[str, str]:
    """Run the whole once; return everything that was heard, by channel."""
    folder, heard = tmp_path_factory.mktemp("canary"), io.StringIO()
    handler, root = logging.StreamHandler(heard), logging.getLogger()
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s", validate=False))
    before = root.level
    # This test's own browser tells what it asks for, and calls the clinic by the name of localhost.
    handler.addFilter(lambda r: not (r.name.startswith("httpx") and "//localhost:" in r.getMessage()))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("coread").setLevel(logging.DEBUG)
    try:
        with ExitStack() as stack:
            records = stack.enter_context(record_system())
            quiet = {"readers": {"warm_up": False}}
            clinic = stack.enter_context(journey_clinic(folder, records=records, **quiet))
            house = House(clinic, folder)
            stack.callback(house.close)
            uid = house.care()
            house.send_wrongly()
            house.ask_wrongly(uid)
            house.look_around(uid)
            house.export()
            assert found_in(
                json.dumps(records.versions, ensure_ascii=False), ["Quillfeather"]
            )  # where it belongs
            house.hear("addresses", "\n".join(house.addresses))
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        logging.getLogger("coread").setLevel(logging.NOTSET)
    return house.channels | {"log": heard.getvalue()}


def test_no_canary_is_where_it_should_not_be(channels):
    # The de-identified report too: the brother in its free text, whom no header names, is gone with the rest.
    assert leaks(channels) == {}
    assert len(channels["log"].splitlines()) > 20
    heard = {"commands", "measures", "addresses", "error 13", "de-identified export", "de-identified report"}
    assert heard | {f"ledger as {form}" for form in ("CSV", "ATNA", "BALP", "PROV")} <= channels.keys()


def test_a_planted_leak_is_seen_in_every_channel_and_spelling(channels):
    from urllib.parse import quote  # noqa: PLC0415

    for word in ALL:
        for spelled in (word, word.upper(), quote(word), json.dumps(word), word.encode().hex()):
            assert found_in(f"x={spelled};") != [], (word, spelled)
    for name in channels:
        assert leaks({name: channels[name] + "\nquillfeather, 19470613"}, PATIENT) == {
            name: ["Quillfeather", "19470613"]
        }


def test_a_leak_planted_in_the_code_is_seen(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("coread.intake").info("filed %s", FACTS["PatientName"])
    assert leaks({"log": caplog.text}) == {"log": ["Quillfeather", "Marguerite", "钱^慕瑶", "慕瑶"]}
