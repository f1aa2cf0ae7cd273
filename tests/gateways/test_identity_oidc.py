"""Login at an identity provider: a real one, and one that lies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from identity_providers import SECRET, CertifiedProvider, LyingProvider, missing, new_key
from identity_site import HTML, PASSWORD, csrf_of, session_token, site_on, submit
from keeping import START
from starlette.responses import Response

from coread.domain.person import Role
from coread.errors import IdentityProviderFault, SettingsFault
from coread.gateways.identity import IdentityOptions, OidcOptions
from coread.gateways.identity.oidc import Attempt, Provider, claimed

ROLES = {"radiologists": Role.DOCTOR, "it-admins": Role.ADMINISTRATOR}


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """Install the provider once for all tests of this file."""
    from shutil import which  # noqa: PLC0415

    node, npm = which("node"), which("npm")
    if node is None or npm is None:
        missing("node and npm are not installed (see CONTRIBUTING.md for the Debian packages)")
    return CertifiedProvider(node, npm, tmp_path_factory.mktemp("oidc-provider"))


def options_for(issuer: str, **told) -> IdentityOptions:
    words = {"client_id": "coread", "client_secret": SECRET, "label": "Hospital", "role_claim": "realm.roles"}
    return IdentityOptions(oidc=OidcOptions(issuer, **(words | {"roles": ROLES} | told)))


@pytest.fixture
def opened(certified, tmp_path, free_port):
    """Give a function that opens a site beside the running provider."""
    stack = []

    def open_site(**told):
        context = site_on(tmp_path, options_for(f"http://127.0.0.1:{free_port}", **told))
        site = context.__enter__()
        stack.append(context)
        site.clock.time = datetime.now(UTC)
        certified.start(free_port, f"{site.server.url}/login/oidc/callback")
        return site

    yield open_site
    certified.stop()
    for context in stack:
        context.__exit__(None, None, None)


def step(browser: httpx.Client, response: httpx.Response) -> httpx.Response:
    """Go one redirection on."""
    return browser.get(urljoin(str(response.url), response.headers["location"]), headers=HTML)


def at_provider(browser: httpx.Client, response: httpx.Response, subject: str) -> httpx.Response:
    """Log in and consent at the provider; give the answer to the callback."""
    while True:
        if response.status_code == 200 and "/interaction/" in str(response.url):
            is_login = 'name="login"' in response.text
            form = (
                {"prompt": "login", "login": subject, "password": "x"} if is_login else {"prompt": "consent"}
            )
            response = browser.post(str(response.url), data=form)
        elif response.has_redirect_location:
            response = step(browser, response)
            if response.request.url.path == "/login/oidc/callback":
                return response
        elif "document.forms[0].submit()" in response.text:  # the provider logs the former person out first
            action = re.search(r'action="([^"]+)"', response.text)[1]
            form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', response.text))
            response = browser.post(action, data=form)
        else:
            pytest.fail(f"{response.url}: {response.status_code} {response.text[-500:]}")


def enter(site, subject: str, wanted: str = "/") -> tuple[httpx.Client, httpx.Response]:
    browser = site.browser()
    sent = browser.get("/login/oidc", params={"next": wanted})
    assert sent.status_code == 303, sent.text
    return browser, at_provider(browser, sent, subject)


@pytest.mark.peer
def test_a_doctor_comes_by_a_real_provider_and_comes_again(opened):
    site = opened()
    browser, answer = enter(site, "s-doctor", "/?study=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?study=1")
    assert browser.get("/").status_code == 200
    (doctor,) = site.people.list()
    assert (doctor.login, doctor.display_name, doctor.roles) == ("li.wei", "LI Wei 李伟", {Role.DOCTOR})
    _, again = enter(site, "s-doctor")
    assert again.status_code == 303
    assert [p.id for p in site.people.list()] == [doctor.id]
    logged_in = site.house.ledger.events(kind="person.logged-in")
    assert [r.event.facts["method"] for r in logged_in] == ["oidc", "oidc"]
    assert site.house.ledger.events(kind="person.added")[0].event.actor.startswith("oidc:http://127.0.0.1")


@pytest.mark.peer
def test_a_login_of_a_windows_domain_and_several_roles(opened):
    site = opened()
    _, answer = enter(site, "s-boss")
    assert answer.status_code == 303
    (boss,) = site.people.list()
    assert boss.login == "clinic-wu"
    assert boss.roles == {Role.DOCTOR, Role.ADMINISTRATOR}


@pytest.mark.peer
def test_a_public_client_is_held_by_pkce_alone(opened):
    site = opened(client_id="coread-public", client_secret="")
    _, answer = enter(site, "s-doctor")
    assert answer.status_code == 303


@pytest.mark.peer
def test_who_is_not_known_may_be_kept_out(opened):
    site = opened(may_add=False)
    browser, answer = enter(site, "s-guest")
    assert answer.status_code == 401
    assert "That did not work." in answer.text
    assert session_token(browser) == ""
    assert site.people.list() == []


@pytest.mark.peer
def test_a_deactivated_person_is_kept_out(opened):
    site = opened(role_claim="")
    enter(site, "s-guest")
    (guest,) = site.people.list()
    assert guest.roles == frozenset()
    site.people.deactivate(guest.id, by="x", at=site.clock())
    assert enter(site, "s-guest")[1].status_code == 401


@pytest.mark.peer
def test_a_signature_is_proven_by_a_fresh_login_at_the_provider(opened):
    site = opened()
    browser, _ = enter(site, "s-doctor")
    token = {"X-CSRF-Token": csrf_of(browser.get("/account", headers=HTML))}
    assert browser.post("/sign", headers=token).json()["number"] == 1905
    assert browser.post("/sign", headers=token | {"X-Password": "x"}).status_code == 401
    site.clock.pass_s(1)
    again = at_provider(browser, browser.get("/login/oidc?again=1&next=/login/done"), "s-doctor")
    assert (again.status_code, again.headers["location"]) == (303, "/login/done")
    assert "Close this window" in browser.get("/login/done", headers=HTML).text
    assert browser.post("/sign", headers=token).json() == {"signed": True}


@pytest.mark.peer
def test_another_person_s_login_at_the_provider_proves_nothing(opened):
    site = opened()
    browser, _ = enter(site, "s-doctor")
    token = {"X-CSRF-Token": csrf_of(browser.get("/account", headers=HTML))}
    answer = at_provider(browser, browser.get("/login/oidc?again=1"), "s-boss")
    assert answer.status_code == 401
    assert browser.post("/sign", headers=token).json()["number"] == 1905


@pytest.mark.peer
def test_an_answer_fits_the_browser_that_asked_and_once(opened):
    site = opened()
    browser, answer = enter(site, "s-doctor")
    callback = str(answer.request.url)
    thief = site.browser()
    thief.get("/login/oidc")
    assert thief.get(callback, headers=HTML).status_code == 502
    assert session_token(thief) == ""
    before = session_token(browser)
    assert browser.get(callback, headers=HTML).status_code == 502
    assert session_token(browser) == before


@pytest.mark.peer
def test_giving_up_at_the_provider_leads_back_to_the_login(opened):
    site = opened()
    browser = site.browser()
    sent = browser.get("/login/oidc")
    state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
    issuer = site.options.oidc.issuer
    for error, status in (("access_denied", 401), ("server_error", 502), ("<script>", 502)):
        words = {"error": error, "state": state, "iss": issuer}
        answer = browser.get("/login/oidc/callback", params=words, headers=HTML)
        assert answer.status_code == status
        assert "<script>" not in answer.text
    mixed_up = {"code": "x", "state": state, "iss": "https://evil.example"}
    assert browser.get("/login/oidc/callback", params=mixed_up, headers=HTML).status_code == 502
    assert browser.get("/login/oidc/callback", params={"code": "x", "state": state}).status_code == 502


NOW = int(START.timestamp())


@pytest.fixture
def lying():
    provider = LyingProvider(NOW)
    with provider.server:
        yield provider


class Now:
    """A clock that stands still until it is told to go on."""

    time = START

    def __call__(self):
        return self.time


@pytest.fixture
def ask(lying):
    """Give a function that exchanges a code at the lying provider."""
    clock = Now()
    options = OidcOptions(lying.issuer, "coread", SECRET)
    provider = Provider(options, clock)

    def exchange(**told):
        attempt = Attempt(
            **({"redirect_uri": "http://x/cb", "state": "s", "nonce": "n", "verifier": "v"} | told)
        )
        return provider.exchange("code", attempt)

    exchange.clock = clock
    exchange.provider = provider
    lying.claims["nonce"] = "n"
    return exchange


def test_what_holds_is_believed(lying, ask):
    claims = ask()
    assert claims["sub"] == "s1"
    assert claims["preferred_username"] == "li"
    (_, headers, body), (_, me, _) = lying.asked
    pair = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "coread:a%20secret%20of%20the%20tests%20%26%20no%20other%27s"
    assert "code_verifier=v" in body
    assert SECRET not in body
    assert me["authorization"] == "Bearer at"


def test_the_secret_goes_into_the_form_where_the_provider_wants_it_there(lying, ask):
    lying.changes["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    ask()
    assert "client_secret=a+secret" in lying.asked[0][2]
    assert "authorization" not in lying.asked[0][1]


LIES = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "other"},
    "among audiences without a party": {"aud": ["coread", "other"]},
    "another party": {"aud": ["coread", "other"], "azp": "other"},
    "another nonce": {"nonce": "old"},
    "no nonce": {"nonce": None},
    "expired": {"exp": NOW - 61},
    "no expiry": {"exp": None},
    "from the future": {"iat": NOW + 120},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "an expiry that is text": {"exp": "never"},
}


@pytest.mark.parametrize("lie", LIES)
def test_claims_that_do_not_hold_are_not_believed(lying, ask, lie):
    lying.claims |= LIES[lie]
    lying.claims = {name: value for name, value in lying.claims.items() if value is not None}
    with pytest.raises(IdentityProviderFault):
        ask()


def test_a_party_that_is_us_and_some_drift_of_clocks_are_borne(lying, ask):
    lying.claims |= {"aud": ["coread", "other"], "azp": "coread", "iat": NOW + 59, "exp": NOW - 59}
    assert ask()["sub"] == "s1"


def url_safe(words) -> str:
    data = words if isinstance(words, bytes) else json.dumps(words).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unsigned(lying) -> str:
    return f"{url_safe({'alg': 'none'})}.{url_safe(lying.claims)}."


def keyed_with_public_key(lying) -> str:
    """Sign by HMAC with what everybody knows, as a careless reader of the header would check it."""
    body = f"{url_safe({'alg': 'HS256', 'kid': 'first'})}.{url_safe(lying.claims)}"
    public = lying.key.as_pem(private=False)
    return f"{body}.{url_safe(hmac.new(public, body.encode(), hashlib.sha256).digest())}"


SIGNATURES = {
    "no signature": unsigned,
    "another key": lambda lying: lying.id_token(new_key("first again"), kid="first"),
    "an unknown key": lambda lying: lying.id_token(new_key("other")),
    "the public key as a shared secret": keyed_with_public_key,
    "a changed body": lambda lying: ".".join(
        part[:-2] + "AA" if number == 1 else part for number, part in enumerate(lying.id_token().split("."))
    ),
    "no token": lambda lying: "x.y.z",
}


@pytest.mark.parametrize("forgery", SIGNATURES)
def test_a_signature_that_does_not_hold_is_not_believed(lying, ask, forgery):
    token = SIGNATURES[forgery](lying)
    lying.token = lambda: {"id_token": token, "access_token": "at"}
    with pytest.raises(IdentityProviderFault, match="signature"):
        ask()


def test_new_keys_of_the_provider_are_fetched_after_a_while(lying, ask):
    ask()
    lying.key = new_key("second")
    lying.published = [lying.key]
    with pytest.raises(IdentityProviderFault):
        ask()
    ask.clock.time = START + timedelta(minutes=1)
    assert ask()["sub"] == "s1"


ANSWERS = {
    "no id_token": lambda: {"access_token": "at"},
    "a list": lambda: [],
    "no JSON": lambda: Response("<html>", 200),
    "a refusal": lambda: Response('{"error":"invalid_grant"}', 400),
    "a fault": lambda: Response("", 500),
    "a redirection": lambda: Response("", 302, {"Location": "http://127.0.0.1:1/"}),
    "too much": lambda: Response("x" * (9 << 20), 200),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_another_form_is_a_fault_of_the_provider(lying, ask, answer):
    lying.token = ANSWERS[answer]
    with pytest.raises(IdentityProviderFault):
        ask()


CHANGES = {
    "another issuer": {"issuer": "https://evil.example"},
    "keys in the open": {"jwks_uri": "http://192.0.2.1/jwks"},
    "no keys": {"jwks_uri": None},
    "keys that are none": {"jwks_uri": "SELF/me"},
    "a token endpoint in the open": {"token_endpoint": "http://id.example/token"},
    "no token endpoint": {"token_endpoint": None},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_description_that_is_not_safe_is_a_fault_of_the_provider(lying, ask, change):
    changes = CHANGES[change]
    lying.changes = {k: v.replace("SELF", lying.issuer) if v else v for k, v in changes.items()}
    with pytest.raises(IdentityProviderFault):
        ask()


def test_user_information_about_somebody_else_is_not_believed(lying, ask):
    lying.info["sub"] = "s2"
    with pytest.raises(IdentityProviderFault, match="somebody else"):
        ask()


def test_user_information_cannot_change_what_was_signed(lying, ask):
    lying.claims["preferred_username"] = "signed"
    lying.info |= {"preferred_username": "other", "iss": "x"}
    assert ask()["preferred_username"] == "signed"


def test_a_provider_without_user_information_is_borne(lying, ask):
    lying.changes["userinfo_endpoint"] = None
    assert "preferred_username" not in ask()


@pytest.mark.parametrize("told", [None, NOW - 301, NOW + 61, True, "now"])
def test_a_proof_that_is_not_fresh_is_none(lying, ask, told):
    if told is not None:
        lying.claims["auth_time"] = told
    with pytest.raises(IdentityProviderFault, match="not fresh"):
        ask(must_prove=True)
    lying.claims["auth_time"] = NOW - 10
    assert ask(must_prove=True)["sub"] == "s1"


def test_a_silent_provider_is_not_asked_again_at_once(free_port, monkeypatch):
    clock, asked = Now(), []
    provider = Provider(OidcOptions(f"http://127.0.0.1:{free_port}", "coread"), clock)
    ask_once = provider._asked
    monkeypatch.setattr(provider, "_asked", lambda now: asked.append(now) or ask_once(now))
    attempt = Attempt("http://x/cb", "s", "n", "v")
    for _ in range(3):
        with pytest.raises(IdentityProviderFault):
            provider.address(attempt)
    assert len(asked) == 1
    clock.time = START + timedelta(seconds=5)
    with pytest.raises(IdentityProviderFault):
        provider.address(attempt)
    assert len(asked) == 2


def test_the_way_there_holds_challenge_state_and_nonce(lying, ask):
    lying.changes["authorization_endpoint"] = f"{lying.issuer}/auth?tenant=1"
    attempt = Attempt("http://x/cb", "the state", "the nonce", "the verifier")
    address = urlsplit(ask.provider.address(attempt))
    words = {name: value[0] for name, value in parse_qs(address.query).items()}
    digest = hashlib.sha256(b"the verifier").digest()
    assert words["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert words["code_challenge_method"] == "S256"
    assert (words["state"], words["nonce"], words["tenant"]) == ("the state", "the nonce", "1")
    assert "the verifier" not in address.query
    assert "prompt" not in words


def test_prompt_can_be_asked_for_each_time(lying):
    provider = Provider(OidcOptions(lying.issuer, "coread", prompt="login"), Now())
    assert "prompt=login" in provider.address(Attempt("http://x/cb", "s", "n", "v"))


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "ftp://id.example", "id.example", "", "https://", "http://["]
)
def test_an_issuer_in_the_open_is_refused(issuer):
    with pytest.raises(SettingsFault):
        OidcOptions(issuer, "coread")


@pytest.mark.parametrize(
    ("claims", "login", "name"),
    [
        ({"preferred_username": "Li.Wei", "name": "LI Wei"}, "Li.Wei", "LI Wei"),
        ({"email": "li@example.org"}, "li@example.org", "li@example.org"),
        ({"preferred_username": "CLINIC\\li"}, "CLINIC-li", "CLINIC-li"),
        ({"preferred_username": "-.-"}, "oidc-043a718774c5", "oidc-043a718774c5"),
        ({"preferred_username": "li", "name": "\x00" * 5}, "li", "li"),
        ({"preferred_username": "x" * 99, "name": "y" * 99}, "x" * 64, "y" * 64),
        ({"preferred_username": ["li"], "name": 7}, "li-", "7"),
    ],
)
def test_any_claims_become_a_person(claims, login, name):
    person = claimed({"sub": "s"} | claims, OidcOptions("https://id.example", "coread"))
    assert person.roles is None
    assert person.display_name == name
    if login != "li-":
        assert person.login.startswith(login[:5])


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"realm": {"roles": ["radiologists", "nobody", 7]}}, {Role.DOCTOR}),
        ({"realm": {"roles": "radiologists it-admins"}}, {Role.DOCTOR, Role.ADMINISTRATOR}),
        ({"realm": {"roles": {"radiologists": True}}}, set()),
        ({"realm": "radiologists"}, set()),
        ({}, set()),
    ],
)
def test_roles_are_read_from_a_claim_of_any_form(claims, roles):
    options = OidcOptions("https://id.example", "coread", role_claim="realm.roles", roles=ROLES)
    assert claimed({"sub": "s"} | claims, options).roles == roles


def test_without_a_provider_there_is_no_way_to_one(tmp_path):
    with site_on(tmp_path) as site:
        browser = site.browser()
        assert browser.get("/login/oidc", headers=HTML).status_code == 404
        assert browser.get("/login/oidc/callback?state=x", headers=HTML).status_code == 502
        assert "/login/oidc" not in browser.get("/login", headers=HTML).text


def test_a_provider_that_is_away_is_told_and_passwords_still_open(tmp_path, free_port):
    with site_on(tmp_path, options_for(f"http://127.0.0.1:{free_port}")) as site:
        site.add()
        browser = site.browser()
        answer = browser.get("/login/oidc", headers=HTML)
        assert answer.status_code == 502
        assert "did not confirm" in answer.text
        assert submit(browser, "/login", login="li", password=PASSWORD).status_code == 303
        assert browser.get("/login/oidc?again=1", headers=HTML).status_code == 502
        assert (
            site.browser().get("/login/oidc?again=1", headers=HTML).headers["location"].startswith("/login")
        )


@pytest.mark.parametrize("state", ["", "x", "a.b.c.d", "a.b.c", "...", "ü.ü.ü.ü", "a.in.!!!!.x", "." * 4000])
def test_no_state_that_was_not_given_is_taken(tmp_path, free_port, state):
    with site_on(tmp_path, options_for(f"http://127.0.0.1:{free_port}")) as site:
        browser = site.browser()
        browser.get("/login")
        answer = browser.get("/login/oidc/callback", params={"state": state, "code": "x"}, headers=HTML)
        assert answer.status_code == 502
