"""English and Chinese: no word is missing, none is left in English, and a choice is kept."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from starlette.testclient import TestClient

import logsense
from logsense.api.app import create_app
from logsense.record import LEVELS
from logsense.ui import format as shown
from logsense.ui import language, sentences

ROOT = Path(logsense.__file__).parent
UI = ROOT / "ui"
PLACE = re.compile(r"%\(\w+\)s")
#: Pages whose words are written elsewhere; an address that is listed here without need makes the test fail.
PAGES = (
    "/", "/?from=-6h", "/incidents", "/incidents?status=open", "/incidents/INC-42", "/incidents/INC-17?done=note",
    "/search", "/search?q=connection+host:web1+last+night", "/search?q=zzzz", "/search?q=connection&live=1",
    "/search?q=x&from=-1h", "/logs/L-control", "/hosts", "/hosts/db1", "/sources", "/models", "/docs",
    "/models?done=report",
    "/metric?host=db1&name=load.1m", "/metric?host=db1&name=disk.used_percent%7Bdevice%3Dsda%7D&from=-1h",
    "/evidence/line:L-xss", "/evidence/template:T-refused?incident=INC-42", "/evidence/signal:S-1",
    "/evidence/incident:INC-17", "/templates", "/templates?show=new", "/templates?show=rare&order=text",
    "/templates?show=noise", "/templates?q=zzzz", "/templates/T-refused", "/templates/T-hostile?done=rename",
    "/templates/T-save", "/templates/T-audit", "/templates/T-checkpoint",
    "/nowhere", "/logs/nix", "/templates/nix", "/hosts/nix", "/search?from=yesterdayish", "/search?from=now&to=-1h",
)  # fmt: skip
#: Names that are the same in every language.
NAMES = frozenset((
    "logsense", "api", "utc", "url", "http", "https", "json", "otlp", "rfc", "syslog", "prometheus", "remote", "write",
    "tls", "tenant",
    "tcp", "udp", "enter", "shift", "esc", "net", "core", "rmem", "max", "worker", "lateness", "time", "zone", "format",
    "psi",
    "parse", "formats", "pipeline", "docs", "openapi", "hosts", "now",
))  # fmt: skip


def messages() -> dict[str, tuple[str, ...]]:
    """Every message that the pages have: singular -> all forms."""
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    keywords = {"_": None, "gettext": None, "marked": None, "ngettext": (1, 2)}
    found: dict[str, tuple[str, ...]] = {}
    for _, _, message, _, _ in extract_from_dir(UI, methods, keywords=keywords):
        forms = message if isinstance(message, tuple) else (message,)
        found[forms[0]] = forms
    return found


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    with (UI / "translations" / "zh.po").open("rb") as opened:
        return read_po(opened, locale="zh_CN")


def speaking_chinese(space: Any) -> TestClient:
    headers = {"accept": "text/html", "accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}
    return TestClient(create_app(space, None, []), headers=headers, follow_redirects=False)


@pytest.fixture(scope="module")
def client(fake: ModuleType) -> TestClient:
    space = fake.FakeWorkspace()
    space.noise.add("T-audit")
    return speaking_chinese(space)


@pytest.fixture(scope="module")
def empty_client(fake: ModuleType) -> TestClient:
    return speaking_chinese(fake.FakeWorkspace(empty=True))


def test_every_word_is_translated_and_none_is_left_over(chinese: Catalog) -> None:
    wanted = messages()
    given = {(m.id[0] if isinstance(m.id, tuple) else m.id): m for m in chinese if m.id}
    assert len(wanted) > 300
    assert sorted(wanted.keys() - given.keys()) == [], "run `make translations` and translate these"
    assert sorted(given.keys() - wanted.keys()) == [], "no longer used"
    for key, message in given.items():
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(texts), key
        assert not message.fuzzy, key
        for text in texts:
            assert set(PLACE.findall(text)) == set(PLACE.findall(key)), key
            assert sorted(re.findall(r"<[^>]+>", text)) == sorted(re.findall(r"<[^>]+>", key)), key


class Words(HTMLParser):
    """The words of a page that its own language has to provide: text and the attributes that are read or shown."""

    VOID = frozenset(["meta", "link", "input", "br", "hr", "img"])
    #: Code, data, and titles, which name what a page is about.
    OTHERS = frozenset(["script", "style", "code", "pre", "kbd", "time", "textarea", "title"])

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.stack: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        foreign = given.get("translate") == "no" or tag in self.OTHERS or (tag != "html" and "lang" in given)
        outside = bool(self.stack and self.stack[-1])
        if not (foreign or outside):
            names = ("title", "aria-label", "placeholder", "data-label", "data-waiting", "data-paused", "data-copied")
            self.found += [given[n] or "" for n in names if n in given and tag != "time"]
        if tag not in self.VOID:
            self.stack.append(foreign or outside)

    def handle_endtag(self, tag: str) -> None:
        if self.stack and tag not in self.VOID:
            self.stack.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self.stack and self.stack[-1]):
            self.found.append(data.strip())


#: What data names stand in labels of charts, of charts' points and of lines, as they are.
DATA = re.compile(
    r"\S+Z to \S+Z|(?:cpu|memory|disk|load)\.\S+|<script.*|INC-\d+.*|[\w./-]+\.(?:yml|yaml|conf|toml)|\w*\d\w*|"
    r"zzzz|connection|yesterdayish|nix|nginx|orders-api|postgresql|redis|kernel|host:\w+|last night|" + "|".join(LEVELS)
)


@pytest.mark.parametrize("place", PAGES)
def test_chinese_pages_speak_chinese(client: TestClient, place: str) -> None:
    speaks_chinese(client, place)


@pytest.mark.parametrize("place", ["/", "/incidents", "/search", "/hosts", "/templates", "/sources", "/models"])
def test_chinese_pages_without_any_data_speak_chinese(empty_client: TestClient, place: str) -> None:
    speaks_chinese(empty_client, place)


def speaks_chinese(client: TestClient, place: str) -> None:
    answer = client.get(place)
    assert '<html lang="zh-CN"' in answer.text
    words = Words()
    words.feed(answer.text)
    english = []
    for said in words.found:
        rest = DATA.sub(" ", said)
        strange = [w for w in re.findall(r"[A-Za-z]{2,}", rest) if w.lower() not in NAMES]
        if strange:
            english.append((said[:100], strange))
    assert english == []


def test_english_is_the_language_of_those_who_ask_for_none(fake: ModuleType) -> None:
    client = TestClient(create_app(fake.FakeWorkspace(), None, []), headers={"accept": "text/html"})
    assert '<html lang="en"' in client.get("/").text
    assert "incidents to look at" in client.get("/").text


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB,en;q=0.9,zh;q=0.5", "en"), ("de,zh;q=0.3", "zh"),
        ("zh;q=0, en;q=0.1", "en"), ("fr", "en"), ("*", "en"), ("zh;q=x", "en"), (";;,,;q=", "en"),
        ("en;q=0.1," * 500 + "zh", "en"), ("ZH-Hans-CN", "zh"),
    ],
)  # fmt: skip
def test_language_is_what_the_browser_likes_best(accepted: str, code: str) -> None:
    assert language.choose("", accepted).code == code


@pytest.mark.parametrize("cookie", ["logsense_language=xx", "logsense_language=../../etc", "=;=;", "a=b; " * 100, '"'])
def test_strange_cookies_choose_nothing(cookie: str) -> None:
    assert language.choose(cookie, "zh").code == "zh"


def test_the_switch_is_kept_and_leads_back(client: TestClient) -> None:
    answer = client.post("/language", content=b"language=en&next=%2Fhosts%3Fa%3D1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/hosts?a=1"
    assert "logsense_language=en" in answer.headers["set-cookie"]
    assert '<html lang="en"' in client.get("/hosts").text  # although the browser asks for Chinese
    client.cookies.clear()
    for hostile in (b"language=zh&next=https://evil.example", b"language=zh&next=//evil.example", b"language=zh"):
        assert client.post("/language", content=hostile).headers["location"] == "/"
    assert "set-cookie" not in client.post("/language", content=b"language=klingon&next=/").headers
    assert client.post("/language", content=b"x" * 10_000).status_code == 413
    client.cookies.clear()


def test_another_site_cannot_switch(client: TestClient) -> None:
    answer = client.post("/language", content=b"language=en", headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


def test_numbers_times_and_dates_follow_the_language() -> None:
    at = "2021-09-05T03:04:05Z"
    assert shown.number(1_234_567) == "1.23 M"
    assert "5 Sept 2021 03:04" in shown.moment(at, "day")
    token = language._current.set(language.LANGUAGES["zh"])
    try:
        assert shown.number(1_234_567) == "123万"
        assert shown.number(12_345) == "1.23万"
        assert shown.number(987) == "987"
        assert "2021年9月5日 03:04" in shown.moment(at, "day")
        assert shown.duration(3700) == "1 小时 1 分钟"
        assert shown.ago(0, 120 * 10**9) == "2 分钟前"
        assert shown.visible("x" * 2000, 10) == 'xxxxxxxxxx<span class="cut"> … 还有 1,990 个字符</span>'
    finally:
        language._current.reset(token)


def said_by_logsense() -> set[str]:
    """Every text in the sources; a hole stands where a value is put in."""
    texts: set[str] = set()
    for file in ROOT.rglob("*.py"):
        if file == Path(sentences.__file__):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [str(p.value) if isinstance(p, ast.Constant) else "\0" for p in node.values]
                texts.add(re.sub("\0+", "\0", "".join(parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return texts


def test_every_known_sentence_is_one_that_logsense_says() -> None:
    texts = said_by_logsense()
    patterns = [
        (len(t.replace("\0", "")), re.compile(".+?".join(map(re.escape, t.split("\0"))), re.DOTALL)) for t in texts
    ]
    for sentence in sentences.SENTENCES:
        fixed, said = len(PLACE.sub("", sentence)), PLACE.sub("X", sentence)
        # A text that is mostly holes would say anything.
        known = any(pattern.fullmatch(said) for length, pattern in patterns if 0.6 * fixed <= length)
        assert known, f"nothing says {sentence!r} any more"


def test_sentences_keep_what_they_name_and_escape_it() -> None:
    token = language._current.set(language.LANGUAGES["zh"])
    try:
        said = sentences.say("no line holds <b>x</b>, y; searched for the other words")
        assert "没有日志包含" in said
        assert '<span translate="no">&lt;b&gt;x&lt;/b&gt;, y</span>' in said
        assert sentences.say("no host is named <db9>; nearest: db1, db2") == (
            '没有名为 <span translate="no">&lt;db9&gt;</span> 的主机；最接近的是：<span translate="no">db1, db2</span>'
        )
        advice = "Lines were dropped: UDP cannot wait. Use TCP, or raise the receive buffer (net.core.rmem_max)."
        late = (
            "Many lines arrive late and miss detection: look for buffering in the shipper, or raise worker.lateness_s."
        )
        assert sentences.say(f"{advice} {late}").count("。") >= 2
        assert sentences.say("something <new>") == '<span lang="en">something &lt;new&gt;</span>'
    finally:
        language._current.reset(token)
    assert sentences.say("no line matches") == "no line matches"
