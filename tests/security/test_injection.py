"""Strings as weapons: scripts in DICOM elements, paths, quotes, line ends, characters that are none."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from page_site import new_key

from coread.domain.person import Role
from coread.gateways.pages.routes import Form
from coread.testing.patients import chest_radiograph

SCRIPTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "{{7*7}}${7*7}<%=7*7%>#{7*7}",
    "javascript:alert(1)",
    "]]><svg onload=alert(1)>",
)
ELEMENTS = (
    "PatientName", "PatientID", "StudyDescription", "SeriesDescription", "InstitutionName", "StationName",
    "Manufacturer", "ReferringPhysicianName", "ProtocolName",
)  # fmt: skip
UID = "1.2.1"


@pytest.fixture(scope="module")
def hostile(site) -> list[str]:
    """File a study for each hostile string, with it in every element; return their UIDs."""
    made = []
    for place, text in enumerate(SCRIPTS):
        facts = dict.fromkeys(ELEMENTS, text) | {"SpecificCharacterSet": "ISO_IR 192"}
        facts |= {"AccessionNumber": text[:16], "StudyID": text[:16]}
        made.append(site.room.study(900 + place, **facts))
    return made


class Marks(HTMLParser):
    """What a browser reads as mark-up: tags with their attributes, and what scripts hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in {"script", "style"} and data.strip():
            self.scripts.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", {}))


def assert_inert(page: str) -> None:
    """Hold a page to having no mark-up but its own."""
    marks = Marks(page)
    for tag, attributes in marks.tags:
        assert tag not in {"comment", "iframe", "object", "embed", "base", "style"}, tag
        assert tag != "img" or attributes["src"].startswith("/dicomweb/")
        assert tag != "script" or attributes.get("type") in {"module", "application/json"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
        for name in ("href", "src", "action", "formaction"):
            assert not attributes.get(name, "").strip().lower().startswith(("javascript:", "data:text"))
    for script in marks.scripts:
        assert "<" not in script
        json.loads(script)
    assert "7*7=49" not in page.replace("{{7*7}}", "7*7=")


def test_no_element_of_a_study_becomes_mark_up(doctor, hostile):
    pages = ["/", "/?q=%3Cscript", "/worklist/rows", *(f"/studies/{uid}" for uid in hostile)]
    for path in pages:
        answer = doctor.page(path)
        assert answer.status_code == 200
        assert_inert(answer.text)
    listed = html.unescape(doctor.page("/").text)
    assert all(text in listed for text in SCRIPTS if "^" not in text)


def test_no_element_of_a_study_becomes_mark_up_for_those_who_keep_the_house(site, visitors, hostile):
    for role, paths in {
        Role.ENGINEER: ["/system", f"/system?study={hostile[0]}", "/system?study=%3Cscript%3E"],
        Role.AUDITOR: [
            "/audit",
            f"/audit?subject={hostile[0]}",
            "/audit?kind=%3Cscript%3Ealert(1)%3C/script%3E",
        ],
        Role.QUALITY: ["/quality", "/quality/readers/%3Cscript%3Ealert(1)%3C%2Fscript%3E"],
        Role.ADMINISTRATOR: ["/people", "/settings", "/people/%3Cscript%3Ealert(1)%3C%2Fscript%3E"],
    }.items():
        for path in paths:
            assert_inert(visitors[role].page(path).text)


def test_services_give_strings_as_data_that_nobody_runs(doctor, hostile):
    for uid in hostile:
        for path in (f"/dicomweb/studies?StudyInstanceUID={uid}", f"/dicomweb/studies/{uid}/metadata"):
            answer = doctor.get(path)
            assert answer.headers["content-type"].startswith("application/dicom+json")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.json()


def test_a_document_inside_dicom_is_never_a_page(site, doctor):
    """Bulk data may be HTML or SVG: a browser that is led there shows none of it as ours."""
    page = b"<html><script>alert(document.domain)</script></html>"
    shared = {"study_uid": "1.2.880", "series_uid": "1.2.880.1", "sop_uid": "1.2.880.1.1"}
    site.room.house.file(chest_radiograph(880, facts={"ICCProfile": page}, **shared))
    root = "/dicomweb/studies/1.2.880/series/1.2.880.1/instances/1.2.880.1.1"
    for accept in (
        "text/html",
        "image/svg+xml",
        "*/*",
        "application/octet-stream",
        "text/html;q=1,*/*;q=0.1",
    ):
        for path in (f"{root}/bulkdata/00282000", root, f"{root}/frames/1", f"{root}/rendered"):
            answer = doctor.get(path, headers={"Accept": accept})
            kind = answer.headers["content-type"]
            assert not kind.startswith(("text/html", "image/svg", "text/xml", "application/xhtml")), (
                f"{path} {kind}"
            )
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_no_typed_word_becomes_mark_up(site, doctor):
    uid = site.room.study(870)
    for text in SCRIPTS:
        answer = doctor.act(
            "POST", uid, "statements", code={"meaning": text[:60]}, presence="present", comment=text
        )
        assert answer.status_code == 200, answer.text
    doctor.decide(uid, verdict="rejected", reason="other", comment=SCRIPTS[0])
    doctor.decide(uid, verdict="rejected", reason="other", comment=SCRIPTS[3], place=1)
    for text in SCRIPTS:
        doctor.send("POST", "/api/v1/views", {"name": text[:60], "query": f"q={text}"})
        doctor.send(
            "POST", "/api/v1/phrases", {"language": "en", "section": "", "text": text, "key": new_key()}
        )
    for path in (f"/studies/{uid}", "/", "/account"):
        assert_inert(doctor.page(path).text)


def test_no_name_of_a_person_becomes_mark_up(site, visitors):
    for place, text in enumerate(SCRIPTS):
        site.add(f"hostile-{place}", Role.DOCTOR, name=text)
        visitor = site.enter(f"hostile-{place}")
        for path in ("/", f"/studies/{UID}", "/account"):
            assert_inert(visitor.page(path).text)
    for person in site.people.list():
        assert_inert(visitors[Role.ADMINISTRATOR].page(f"/people/{person.id}").text)
    assert_inert(visitors[Role.ADMINISTRATOR].page("/people").text)
    assert_inert(visitors[Role.AUDITOR].page("/audit").text)


#: What stays as it is on the way: all but what no address may hold.
_AS_IS = "/%.~\\?:;$"
TRAVERSALS = (
    "../pyproject.toml", "..%2fpyproject.toml", "%2e%2e/%2e%2e/pages.py", "....//....//etc/passwd",
    "/etc/passwd", "%2fetc%2fpasswd", "..\\..\\pages.py", "..%5c..%5cpages.py", "coread.css/../../pages.py",
    ".%00./pages.py", "coread.css%00.js", "%c0%ae%c0%ae/pages.py", "%252e%252e%252fpages.py",
    "v-0000000000000000/../../pages.py", "viewer/../../templates/base.html", "./../templates/base.html",
    "~root/.bashrc", "coread.css::$DATA", "CON", "..;/pages.py", "?/../../pages.py", "\u2025/pages.py",
    "static/../../../pages.py",
)  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leaves_the_static_files(raw, path):
    for root in ("/static/", "/static/v-0123456789abcdef/", "/static/viewer/"):
        told = raw("GET", quote(root + path, safe=_AS_IS))
        assert told.status in {400, 401, 404, 303}, f"{root}{path}: {told.status}"
        for secret in (b"root:", b"[project]", b"def ", b"{%", b"{{"):
            assert secret not in told.body


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leaves_the_archive(site, raw, doctor, path):
    cookie = f"coread-session={doctor.client.cookies['coread-session']}"
    for root in (
        "/dicomweb/studies/", f"/dicomweb/studies/{UID}/series/", "/studies/", "/api/v1/studies/", "/fhir/",
        f"/dicomweb/studies/{UID}/series/{UID}.1/instances/{UID}.1.1/bulkdata/",
        f"/api/v1/studies/{UID}/reports/",
    ):  # fmt: skip
        told = raw("GET", quote(root + path, safe=_AS_IS), {"Cookie": cookie})
        if told.status == 307:  # without the slash at its end
            assert told.headers["location"].startswith("http://localhost/dicomweb/"), told.headers
        else:
            assert 400 <= told.status < 500, f"{root}{path}: {told.status}"
        for secret in (b"root:", b"[project]", b"SQLite format", b"DICM"):
            assert secret not in told.body


SQL = (
    "' OR '1'='1", "'; DROP TABLE studies; --", '" OR ""="', "1 UNION SELECT password FROM people",
    "%' AND 1=0 --", "\\' OR 1=1 --", "*)(uid=*))(|(uid=*", "$ne", '{"$gt": ""}', "%", "_", "*", "?",
    "[a-z]*", "\u0000", "\u02bc OR 1=1",
)  # fmt: skip


@pytest.mark.parametrize("text", SQL)
def test_no_search_is_read_as_a_query(site, doctor, visitors, text):
    before = len(site.people.list())
    everything = {"*", "%", "?"}
    for path, name in (
        ("/api/v1/worklist", "q"),
        ("/dicomweb/studies", "PatientName"),
        ("/dicomweb/studies", "PatientID"),
    ):
        answer = doctor.get(path, params={name: text})
        assert answer.status_code in {200, 204, 400}, f"{path} {answer.status_code}"
        if answer.status_code == 200 and text not in everything:
            found = answer.json()
            assert len(found["entries"] if isinstance(found, dict) else found) == 0
    for path in ("/fhir/DiagnosticReport", "/fhir/Observation"):
        assert doctor.get(path, params={"subject": text, "identifier": text}).status_code in {200, 400}
    for name in ("subject", "kind", "actor"):
        page = visitors[Role.AUDITOR].get("/audit/events.jsonl", params={name: text})
        assert page.status_code == 200
        assert page.text == ""
    answer = site.client().post("/api/v1/login", json={"login": text, "password": text})
    assert answer.status_code in {400, 401, 429}
    assert len(site.people.list()) == before


def test_no_line_end_gets_into_a_header(site, doctor, raw):
    cookie = f"coread-session={doctor.client.cookies['coread-session']}"
    for path in (
        "/?q=a%0d%0aSet-Cookie:%20evil=1", "/login?next=/%0d%0aSet-Cookie:%20evil=1",
        "/studies/1.2%0d%0aX:%20y", "/api/v1/studies/1.2.1/reports/1%0d%0aX:%20y.pdf",
        "/static/coread.css%0d%0aX:%20y", "/login/oidc?next=%0d%0aX:y",
    ):  # fmt: skip
        told = raw("GET", path, {"Cookie": cookie})
        assert "evil" not in told.headers.get("set-cookie", "")
        assert "x" not in told.headers
    answer = doctor.form("/language", language="zh\r\nSet-Cookie: evil=1", next="/\r\nX: y")
    assert "evil" not in str(answer.headers)
    assert "x" not in answer.headers


#: Not text: half a pair, a character that is none, a byte that no text has; and what turns a line around.
ODD = (
    "\\ud800",
    "\\udfff\\ud800",
    "\\u0000",
    "a\\u0000b",
    "\\ufffe\\uffff",
    "\\u202egpj.exe",
    "\\u2028\\u2029",
    "\\u0007\\u001b[31m",
)


@pytest.mark.parametrize("odd", ODD)
def test_characters_that_are_none_break_nothing(site, guesser, odd):
    """Each text that may be typed, in turn holding what JSON can say and no text can be."""
    uid = site.room.study(860 + ODD.index(odd))
    finding = guesser.review(uid)["findings"][0]["finding_uid"]
    root = f"/api/v1/studies/{uid}"
    ticket = f'"revision": {guesser.review(uid)["revision"]}, "key": "{new_key()}"'
    section = f'[{{"name": "impression", "text": "{odd}"}}, {{"name": "{odd}", "text": "x"}}]'
    bodies = {
        (
            "POST",
            f"{root}/impression",
        ): f'{{"is_abnormal": true, "confidence": 0.5, "text": "{odd}", {ticket}}}',
        (
            "POST",
            f"{root}/findings/{finding}/decision",
        ): f'{{"verdict": "rejected", "reason": "other", "comment": "{odd}", {ticket}}}',
        (
            "POST",
            f"{root}/statements",
        ): f'{{"code": {{"meaning": "{odd}"}}, "presence": "present", "comment": "{odd}", {ticket}}}',
        (
            "PUT",
            f"{root}/draft",
        ): f'{{"template": "generic", "language": "en", "sections": {section}, {ticket}}}',
        ("POST", f"{root}/sign"): f'{{"password": "{odd}", {ticket}}}',
        ("POST", f"{root}/addendum"): f'{{"password": "{odd}", "sections": {section}, {ticket}}}',
        (
            "POST",
            f"{root}/asked",
        ): f'{{"reader": "{odd}", "sop_instance_uid": "{odd}", "point": [1, 1], {ticket}}}',
        (
            "POST",
            f"{root}/findings/{finding}/reconsidered",
        ): f'{{"traits": [{{"concept": {{"meaning": "{odd}"}}, "value": {{"meaning": "{odd}"}}}}]}}',
        (
            "POST",
            f"{root}/follow_up",
        ): f'{{"rule": "{odd}", "language": "{odd}", "nodules": [], "patient": {{}}}}',
        ("POST", f"{root}/lock"): f'{{"reason": "{odd}", {ticket}}}',
        ("POST", f"{root}/questions"): f'{{"colleague_id": "{odd}", "question": "{odd}", {ticket}}}',
        ("POST", "/api/v1/views"): f'{{"name": "{odd}", "query": "q={odd}"}}',
        ("POST", "/api/v1/phrases"): f'{{"language": "en", "section": "{odd}", "text": "{odd}", {ticket}}}',
        ("DELETE", "/api/v1/phrases"): f'{{"language": "{odd}", "id": "{odd}"}}',
        ("POST", "/api/v1/login"): f'{{"login": "{odd}", "password": "{odd}", "totp": "{odd}"}}',
        ("POST", "/api/v1/reauthenticate"): f'{{"password": "{odd}", "totp": "{odd}"}}',
    }
    headers = {"X-CSRF-Token": guesser.csrf, "Content-Type": "application/json", "Accept": "application/json"}
    for (method, path), body in bodies.items():
        answer = guesser.client.request(method, path, content=body.encode(), headers=headers)
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        assert guesser.get(f"{root}/review").status_code == 200
    assert guesser.page("/").status_code == 200


def test_odd_bytes_in_addresses_forms_and_headers_break_nothing(site, doctor, raw):
    cookie = f"coread-session={doctor.client.cookies['coread-session']}"
    for path in (
        "/%ff%fe",
        "/studies/%80",
        "/?q=%ff%00",
        "/login?next=%ff",
        "/static/%ff.js",
        "/dicomweb/studies?%ff=%fe",
    ):
        assert raw("GET", path, {"Cookie": cookie}).status < 500, path
    for name in (
        "Cookie",
        "Accept-Language",
        "User-Agent",
        "If-None-Match",
        "Authorization",
        "X-CSRF-Token",
        "Range",
    ):
        for value in ("\xff\xfe", "a" * 8000, "; ;;=;", "bytes=0-,-1", 'W/"', "zh;q=nan,en;q=1e999"):
            assert raw("GET", "/login", {name: value}).status < 500, f"{name}: {value[:20]}"
    for address in site.identity.table():
        if address.method == "POST" and address.form is Form.PAGE:
            path = re.sub(r"\{\w+\}", "none", address.path)
            for body in (b"\xff=\xfe", b"csrf=%ff&login=%00&password=%ff", b"&&&===", b"a" * 100_000):
                answer = site.client().post(
                    path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
                )
                assert answer.status_code < 500, f"{path}: {answer.status_code}"


def test_faults_tell_nothing_of_the_inside(site, doctor, raw):
    """No trace of a stack, path, query or version in what anybody is told."""
    answers = [
        doctor.page("/studies/1.2.3.4.5.6"), doctor.page("/nothing"), doctor.get("/dicomweb/studies/1.2.3.4"),
        doctor.get("/api/v1/studies/x/review"), doctor.send("POST", "/api/v1/views", {"name": 1}),
        doctor.get("/fhir/Nothing/1"), doctor.get("/login/oidc?next=/x"),
    ]  # fmt: skip
    for answer in answers:
        for secret in ("Traceback", "/src/", "site-packages", "sqlalchemy", "sqlite", "SELECT ", ".py"):
            assert secret not in answer.text, f"{answer.url}: {secret}"
    assert "server" not in raw("GET", "/login").headers
