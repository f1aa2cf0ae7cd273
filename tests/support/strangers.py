"""Every parser that strangers reach, as a function of bytes, with good input to begin from."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from dimse_speaker import data_set_of, echo_rq, store_rq
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from page_site import page_site
from PIL import Image

from coread import settings
from coread.dicom import check_structure, open_object, read_meta, referenced_files, scan_header
from coread.dicom.annotations import read_annotations
from coread.domain.person import Role
from coread.errors import CoReadError
from coread.gateways.dicomweb.media import parse_accept
from coread.gateways.dicomweb.multipart import MultipartParser, encode_parts
from coread.gateways.dicomweb.qido import parse_search
from coread.gateways.dimse.messages import parse_command
from coread.gateways.dimse.upper_layer import ProtocolFault
from coread.gateways.identity import OidcOptions
from coread.gateways.identity.oidc.provider import Provider, _Known
from coread.intake import Limits
from coread.intake.containers import UNREADABLE, opened_zip
from coread.ledger import read_note, verify_export
from coread.readers import open_bundle, verify_folder
from coread.readers.vetting import check_network
from coread.routing import default_rules, load_rules
from coread.testing import chest_radiograph, text_report
from coread.testing.networks import dividing_network

AT = datetime(2026, 1, 2, tzinfo=UTC)
#: Expected refusals; anything else is a fault of the parser.
Refusals = tuple[type[BaseException], ...]


@dataclass(frozen=True)
class Parser:
    """One parser, and where its input comes from."""

    name: str
    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    stranger: str
    """Who may send such bytes."""
    deeper: str = ""
    """A longer fuzzer of its own, if it has one."""
    refusals: Refusals = (CoReadError,)


def header(data: bytes) -> None:
    scan_header(data[:65536], total_bytes=len(data))
    read_meta(data)
    check_structure(data)
    open_object(data).header_json()


def annotations(data: bytes) -> None:
    read_annotations(open_object(data))


def multipart(data: bytes) -> None:
    boundary, _, body = data.partition(b"|")
    parser = MultipartParser(boundary.decode("latin-1"))
    for start in range(0, len(body), 999):
        for _ in parser.feed(body[start : start + 999]):
            pass
    parser.close()


def query(data: bytes) -> None:
    from starlette.datastructures import QueryParams  # noqa: PLC0415

    from coread.gateways.dicomweb.attributes import Level  # noqa: PLC0415

    parse_search(QueryParams(data.decode("latin-1")), {}, Level.INSTANCE, 100)


def zipped(data: bytes) -> None:
    with opened_zip(io.BytesIO(data), Limits(zip_total_bytes=1 << 20), 1 << 20) as content:
        for item in content.items:
            with suppress(*UNREADABLE), item.open() as file:
                file.read(1 << 16)


def rules(data: bytes) -> None:
    load_rules(data.decode("utf-8", "replace"), ["chest-radiograph"], ["pacs"])


def in_file(read: Callable[[Path], object], name: str) -> Callable[[bytes], None]:
    """Write the bytes where `read` looks for them."""

    def parse(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            read(path)

    return parse


#: Pillow warns of a picture beyond its limit, and refuses one beyond twice that.
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def media(data: bytes) -> None:
    """Read a picture as the lab's cohorts do: by its file, within limits."""
    from coread.errors import CohortRefused  # noqa: PLC0415

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > 1 << 22:
                raise CohortRefused("a picture beyond the limit", "a smaller one")
            image.load()
    except (OSError, ValueError, SyntaxError, EOFError, *BOMBS) as error:
        raise CohortRefused("no picture", "PNG or JPEG") from error


@cache
def provider() -> tuple[Provider, RSAKey]:
    """Give a provider whose keys are known, so that nothing is asked over the network."""
    key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
    options = OidcOptions(issuer="https://id.example", client_id="coread")
    made = Provider(options, lambda: AT)
    made._known = _Known({"issuer": "https://id.example"}, KeySet([key]), AT)
    return made, key


def id_token(data: bytes) -> None:
    provider()[0]._decoded(data.decode("latin-1"))


def good_token() -> bytes:
    claims = {"iss": "https://id.example", "sub": "s1", "aud": "coread", "exp": 4_000_000_000}
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, provider()[1]).encode()


@cache
def site() -> Any:
    """Give a site with a study and a doctor; it lives until the process ends."""
    stack = page_site(Path(tempfile.mkdtemp()))
    made = stack.__enter__()
    made.room.study(1)
    doctor = made.add("doctor", Role.DOCTOR)
    made.token, made.session = made.sessions.open(doctor, made.clock())
    made.keep = stack
    return made


def ask(method: str, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    """Ask the whole site in this process; return the status."""
    where, _, query_string = path.partition(b"?")
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "root_path": "",
        "path": where.decode("latin-1"), "raw_path": where, "query_string": query_string,
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    statuses: list[int] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(site().app(scope, receive, send))
    return statuses[0]


class Unforeseen(Exception):
    """An answer that says: a fault of the server."""


def answered(status: int) -> None:
    if status >= 500:
        raise Unforeseen(status)


def cookie() -> tuple[bytes, bytes]:
    return b"cookie", f"coread-session={site().token}".encode()


def form(data: bytes) -> None:
    kind = (b"content-type", b"application/x-www-form-urlencoded")
    answered(ask("POST", b"/login", [kind, (b"cookie", b"coread-visit=" + data[:80])], data))
    signed_in = [kind, cookie(), (b"x-csrf-token", site().session.csrf.encode())]
    answered(ask("POST", b"/account/language", signed_in, data))


def cookies(data: bytes) -> None:
    held = data.replace(b"\n", b"").replace(b"\r", b"")
    answered(ask("GET", b"/account", [(b"cookie", held), (b"accept", b"text/html")], b""))
    answered(ask("GET", b"/dicomweb/studies", [(b"authorization", held), (b"accept", held)], b""))


def address(data: bytes) -> None:
    # h11 lets no other signs through in a request's first line (RFC 9112 section 3.2).
    path = b"/" + bytes(sign for sign in data if 0x21 <= sign <= 0x7E).lstrip(b"/")
    answered(ask("GET", path, [cookie(), (b"accept", b"*/*")], b""))


def act(data: bytes) -> None:
    headers = [
        cookie(),
        (b"content-type", b"application/json"),
        (b"x-csrf-token", site().session.csrf.encode()),
    ]
    for path in (b"/api/v1/studies/1.2.1/statements", b"/api/v1/views", b"/api/v1/phrases"):
        answered(ask("POST", path, headers, data))


def consent(data: bytes) -> None:
    from coread.gateways.fhir.consent import resources_in, said_of  # noqa: PLC0415

    for resource in resources_in(data.decode("utf-8", "replace")):
        said_of(resource, "person:p-1")


TERMS = "http://terminology.hl7.org/CodeSystem"
CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "scope": {"coding": [{"system": f"{TERMS}/consentscope", "code": "research"}]},
    "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
    "patient": {"identifier": {"value": "P1", "assigner": {"display": "House"}}},
    "dateTime": "2026-01-02T03:04:05Z",
    "policyRule": {"coding": [{"system": f"{TERMS}/v3-ActCode", "code": "OPTIN"}]},
    "provision": {"type": "permit", "purpose": [{"system": "urn:coread:use", "code": "learning"}]},
}


def zip_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as container:
        for name, data in files.items():
            container.writestr(name, data)
    return packed.getvalue()


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(out, kind)
    return out.getvalue()


def message(data: bytes) -> None:
    parse_command(data)


def parsers() -> Iterator[Parser]:
    """Give the table; a test holds that every gateway has its lines in it."""
    chest, report = chest_radiograph(), text_report()
    boundary = b"xx|" + b"".join(encode_parts("xx", "application/dicom", [chest[:500], b""]))
    note = (
        b"coread/log\n5\nqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=\n\n\xe2\x80\x94 coread/log AAAAAA==\n"
    )
    toml = b"[dimse]\nport = 11113\n[[destinations]]\nname = 'a'\nkind = 'dimse'\nhost = 'x'\n"
    network, sender = "test_receiver.py", "a station on the network"
    files, page = "test_parsers_survive.py", "anybody who reaches the web port"
    maker, officer = "the maker of a reader", "whoever hands over a file"

    yield Parser(
        "DIMSE command", message, (echo_rq(), store_rq("1.2.3")), sender, network, refusals=(ProtocolFault,)
    )
    yield Parser("DICOM part 10", header, (chest, report), sender, files)
    yield Parser(
        "DICOM data set", lambda data: header(chest[:400] + data), (data_set_of(chest),), sender, files
    )
    yield Parser("DICOMDIR", referenced_files, (chest, report), officer, files)
    yield Parser("SEG, SR and RTSTRUCT", annotations, (report,), officer, files)
    yield Parser("STOW multipart", multipart, (boundary,), page, "test_dicomweb_multipart.py")
    yield Parser(
        "Accept header", lambda data: parse_accept(data.decode("latin-1")), (b"a/b;q=0.1, */*",), page
    )
    yield Parser("QIDO query", query, (b"PatientName=a*&includefield=all&limit=5&00100020=x",), page)
    addresses = (
        b"dicomweb/studies?PatientName=wang*&limit=5", b"fhir/DiagnosticReport?status=final&_count=5",
        b"studies/1.2.1?x=1", b"?q=li&state=draft&from=5", b"dicomweb/studies/1.2.1/metadata",
    )  # fmt: skip
    yield Parser("addresses and queries of the site", address, addresses, page, "test_injection.py")
    yield Parser(
        "login and other forms", form, (b"login=doctor&password=x&csrf=y&next=/", b"language=zh"), page
    )
    yield Parser("cookies and tokens", cookies, (b"coread-session=abc; coread-visit=d; language=zh",), page)
    acts = (
        b'{"key": "k-00000001", "revision": 1, "code": {"meaning": "x"}}',
        b'{"name": "a", "query": "q=1"}',
    )
    yield Parser("JSON of the interface", act, acts, page)
    yield Parser("OIDC id_token", id_token, (good_token(),), "an identity provider, or who pretends to be it")
    yield Parser("FHIR Consent", consent, (json.dumps(CONSENT).encode(),), "a record system")
    yield Parser("zip import", zipped, (zip_of(a=chest[:900], b=b"x"),), officer, "test_importing.py")
    yield Parser("pictures", media, (picture("PNG"), picture("JPEG")), officer)
    yield Parser(
        "routing rules", rules, (default_rules().encode(), b'[[rule]]\nname = "a"\n'), "who keeps the rules"
    )
    yield Parser(
        "settings", in_file(lambda p: settings.load(p, {}), "c.toml"), (toml,), "who keeps the settings"
    )
    yield Parser(
        "bundle card", in_file(lambda p: open_bundle(p.parent), "card.json"), (b'{"files": {}}',), maker
    )
    yield Parser(
        "bundle signature", in_file(lambda p: verify_folder(p.parent, ()), "signature.json"),
        (b'{"form": "coread signature 1", "public_key": "00", "files": {}}',), maker, "test_vetting.py",
    )  # fmt: skip
    yield Parser(
        "ONNX network", lambda d: check_network(d, "n"), (dividing_network(),), maker, "test_vetting.py"
    )
    yield Parser(
        "ledger's signed head", lambda d: read_note(d.decode("utf-8", "replace")), (note,), "a witness",
        refusals=(ValueError,),
    )  # fmt: skip
    export = in_file(verify_export, "e.zip")
    yield Parser(
        "ledger export", export, (zip_of(**{"events.jsonl": b'{"sequence": 1}\n', "heads.txt": note}),),
        "whoever hands over an export", "test_tampering.py",
    )  # fmt: skip
