"""Pages as such: language, headers, static files, faults; nothing of a stranger's becomes mark-up."""

from __future__ import annotations

import gzip
import json

import pytest
from page_site import HTML, targets_of

from coread.domain.person import Role
from coread.gateways.pages import CONTENT_SECURITY_POLICY, formats, local_path, static_files
from coread.gateways.pages.languages import LANGUAGE_COOKIE

POLICY = {part.split()[0]: part.split()[1:] for part in CONTENT_SECURITY_POLICY.split("; ")}


def test_no_page_may_run_what_is_written_into_it():
    assert POLICY["default-src"] == ["'none'"]
    assert POLICY["script-src"] == ["'self'", "'wasm-unsafe-eval'"]
    assert POLICY["style-src"] == ["'self'"]
    assert POLICY["frame-ancestors"] == ["'none'"]
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY


def test_no_template_holds_a_script_or_style_of_its_own():
    for home in (static_files.FOLDER.parent, static_files.FOLDER.parent.parent / "identity"):
        for path in (home / "templates").glob("*.html"):
            text = path.read_text(encoding="utf-8")
            for banned in (
                "<style",
                " style=",
                " onclick=",
                " onload=",
                "javascript:",
                "|safe",
                "autoescape false",
            ):
                assert banned not in text, f"{path.name}: {banned}"
            for script in text.split("<script")[1:]:
                assert script.startswith((' type="module" src=', ' type="application/json" ')), path.name


def test_no_script_reads_mark_up():
    for path in static_files.FOLDER.rglob("*.js"):
        if "viewer" in path.relative_to(static_files.FOLDER).parts[:-1]:
            continue
        text = path.read_text(encoding="utf-8")
        for banned in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert banned not in text, f"{path.name}: {banned}"


def test_each_page_says_what_browsers_may_do(site, doctor, uid):
    for path in ("/", f"/studies/{uid}", "/studies/9.9", "/account"):
        headers = doctor.page(path).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"


def test_the_language_is_the_cookie_s_then_the_account_s_then_the_browser_s(site, doctor):
    assert 'lang="en"' in doctor.page("/").text
    assert 'lang="zh-CN"' in doctor.client.get("/", headers=HTML | {"Accept-Language": "zh"}).text
    answer = doctor.form("/language", language="zh", next="/account")
    assert answer.headers["location"] == "/account"
    assert 'lang="zh-CN"' in doctor.page("/").text
    doctor.client.cookies.delete(LANGUAGE_COOKIE)
    assert 'lang="zh-CN"' in doctor.page("/").text
    assert site.people.find("li.wei").language == "zh"


def test_who_is_not_logged_in_may_switch_the_language_too(site):
    browser = site.client()
    browser.post("/language", data={"language": "zh", "next": "/login"})
    assert 'lang="zh-CN"' in browser.get("/login", headers=HTML).text
    browser.post("/language", data={"language": "tlh", "next": "/login"})
    assert 'lang="zh-CN"' in browser.get("/login", headers=HTML).text


ELSEWHERE = (
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
    "/%0d\n", "http:evil", "", "evil", "/\t/evil.example", "///evil.example", "/" + "a" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("address", ELSEWHERE)
def test_no_page_sends_people_elsewhere(kept_doctor, address):
    assert kept_doctor.form("/language", language="en", next=address).headers["location"] == "/"
    assert local_path(address) == "/"


def test_every_link_of_the_pages_leads_somewhere(site, uid):
    site.add("all", *Role)
    visitor = site.enter("all")
    for path in (
        "/",
        f"/studies/{uid}",
        "/system",
        "/quality",
        "/quality/readers/chest-radiograph",
        "/audit",
        "/settings",
    ):
        for target in targets_of(visitor.page(path).text):
            if not target.startswith(("/logout", "?")):
                assert visitor.client.get(target).status_code in {200, 303}, f"{path} -> {target}"


def test_static_files_are_packed_and_kept_for_ever_under_their_version(site):
    browser = site.client()
    address = static_files.address("coread.css")
    answer = browser.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.text == (static_files.FOLDER / "coread.css").read_text(encoding="utf-8")
    plain = browser.get("/static/coread.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["cache-control"] == "no-cache"
    again = browser.get("/static/coread.css", headers={"If-None-Match": plain.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_all_scripts_of_a_page_come_to_little(site, uid):
    names = [
        *static_files.FOLDER.glob("*.js"),
        *static_files.FOLDER.glob("study/*.js"),
        static_files.FOLDER / "coread.css",
    ]
    assert sum(len(gzip.compress(path.read_bytes())) for path in names) < 90_000


NO_FILES = (
    "../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "study/../../pages.py", ".hidden", "study", "",
    "v-0123456789abcdef/../x.js", "coread.css/", "/etc/passwd", "%00.css", "coread.toml", "v-xyz/coread.css",
    "coread%2Ecss%00",
)  # fmt: skip


@pytest.mark.parametrize("path", NO_FILES)
def test_nothing_but_static_files_is_given(kept_site, path):
    answer = kept_site.client().get(f"/static/{path}")
    assert answer.status_code == 404, answer.text[:100]


def test_faults_are_pages_to_people_and_json_to_programs(site, doctor):
    page = doctor.page("/nothing/here")
    assert page.status_code == 404
    assert "Nothing of this name is kept here." in page.text
    doctor.form("/language", language="zh", next="/")
    assert "此处没有该内容。" in doctor.page("/studies/9.9").text
    told = doctor.get("/api/v1/studies/9.9/review").json()
    assert told["number"] == 1401
    assert told["told"] == "此处没有该内容。"


def test_a_fault_page_does_not_run_what_the_address_says(doctor):
    page = doctor.page('/studies/"><script>alert(1)</script>').text
    assert "<script>alert" not in page


def test_the_words_are_a_static_file(site):
    given = json.loads(site.client().get(static_files.address("words-zh.json")).text)
    assert given["texts"]["script.sign"] == "审核签名"


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        ("Wang^XiaoDong=王^小东", "Wang XiaoDong (王小东)", "王小东 (Wang XiaoDong)"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou (山田太郎)", "山田太郎 (Yamada Tarou)"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "Hong Gildong (洪吉洞)", "洪吉洞 (Hong Gildong)"),
        ("=王^小东", "王小东", "王小东"),
        ("王^小东", "王小东", "王小东"),
        ("Smith^John^^Dr.", "Dr. Smith John", "Dr. Smith John"),
        ("^^^^", "", ""),
        ("a=b=c=d=e", "a (b)", "b (a)"),
        ("^^^^^^^^", "", ""),
    ],
)
def test_names_are_written_as_their_readers_write_them(value, english, chinese):
    assert formats.person_name(value, "en") == english
    assert formats.person_name(value, "zh") == chinese
