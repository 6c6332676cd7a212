"""Every page: renders, full and empty; loads nothing from elsewhere; shows hostile log lines as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import ModuleType

import pytest
from starlette.testclient import TestClient

from logsense.api.app import create_app
from logsense.ui import assets

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def client(fake: ModuleType) -> TestClient:
    """Nothing here changes the workspace, so one application serves all."""
    return TestClient(create_app(fake.FakeWorkspace(), None, []), headers=BROWSER, follow_redirects=False)


@pytest.fixture(scope="module")
def empty_client(fake: ModuleType) -> TestClient:
    app = create_app(fake.FakeWorkspace(empty=True), None, [])
    return TestClient(app, headers=BROWSER, follow_redirects=False)


PAGES = (
    "/",
    "/?from=-6h",
    "/incidents",
    "/incidents?status=open",
    "/search",
    "/search?q=connection",
    "/search?sort=time",
    "/templates",
    "/templates?order=new",
    "/templates?order=rare&show=rare&q=x&from=-1h",
    "/templates?show=noise",
    "/hosts",
    "/sources",
    "/models",
    "/models?done=cancel",
    "/docs",
)
FULL_PAGES = (
    "/incidents/INC-42",
    "/incidents/INC-17",
    "/templates/T-hostile",
    "/hosts/db1",
    "/hosts/db1?from=-1h",
    "/logs/L-xss",
    "/logs/L-control",
    "/logs/L-surrogate",
    "/logs/L-long",
    "/evidence/line:L-xss",
    "/evidence/template:T-hostile?incident=INC-42",
    "/evidence/signal:S-1?fragment=1",
    "/search?q=alert",
    "/search?q=%22%3E%3Cscript%3Ealert(9)%3C/script%3E",
    "/search?q=zzzz",
)


class Audit(HTMLParser):
    """Collects what must not be in a page: inline script and style, handlers, foreign and script addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.faults.append(f"inline script {attrs}")
        if tag in ("style", "iframe", "object", "base", "img"):
            self.faults.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.faults.append(f"{tag} {name}")
            if name in ("href", "src", "action", "formaction", "data-chart") and not (value or "").startswith(
                ("/", "#")
            ):
                self.faults.append(f"{tag} {name}={value}")
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")


def audit(text: str) -> Audit:
    found = Audit()
    found.feed(text)
    return found


@pytest.mark.parametrize("place", PAGES + FULL_PAGES)
def test_page_is_clean(client: TestClient, place: str) -> None:
    answer = client.get(place)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    found = audit(answer.text)
    assert found.faults == []
    assert len(found.ids) == len(set(found.ids)), "ids are not unique"
    if "fragment" not in place:
        assert found.tags.count("h1") == 1
        assert found.tags.count("main") == 1
    for raw in ("<img src=x", "<script>alert", "\x1b", "\x00", "\u202e"):
        assert raw not in answer.text


@pytest.mark.parametrize("place", PAGES)
def test_page_without_any_data_teaches(empty_client: TestClient, place: str) -> None:
    answer = empty_client.get(place)
    assert answer.status_code == 200
    assert audit(answer.text).faults == []


def test_empty_overview_offers_snippets_with_the_address_of_the_request(fake: ModuleType) -> None:
    app = create_app(fake.FakeWorkspace(empty=True), None, [])
    client = TestClient(app, base_url="http://logs.example.internal:8123", headers={"accept": "text/html"})
    text = client.get("/").text
    assert "No logs yet" in text
    assert "http://logs.example.internal:8123/elasticsearch" in text
    assert "Host   logs.example.internal" in text


def test_templates_do_not_evaluate_log_text(client: TestClient) -> None:
    text = client.get("/logs/L-xss").text
    assert "{{7*7}}" in text
    assert "&lt;script&gt;alert(1)" in text


def test_control_characters_are_shown(client: TestClient) -> None:
    text = client.get("/logs/L-control").text
    for name in (">ESC<", ">NUL<", ">BEL<", ">DEL<", ">U+202E<", ">U+200B<"):
        assert name in text
    assert ">U+D800<" in client.get("/logs/L-surrogate").text


def test_a_line_of_ten_megabytes_makes_no_huge_page(client: TestClient) -> None:
    assert len(client.get("/logs/L-long").content) < 300_000
    assert len(client.get("/search?sort=time").content) < 100_000


def test_first_page_is_light(client: TestClient) -> None:
    page = client.get("/", headers={"accept-encoding": "identity"})
    static = set(re.findall(r'(?:href|src)="(/static/[^"?]+)', page.text))
    size = len(page.content) + sum(len(client.get(name).content) for name in static)
    assert static == {"/static/app.css", "/static/app.js", "/static/theme.js", "/static/icon.svg"}
    assert size < 200_000


def test_links_of_the_overview_lead_somewhere(client: TestClient) -> None:
    seen = {link for link in audit(client.get("/").text).links if not link.startswith("#")}
    assert len(seen) > 15
    broken = {link: status for link in seen if (status := client.get(link).status_code) != 200}
    assert broken == {}


def test_unknown_page_explains_itself(client: TestClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing at /nowhere" in answer.text
    assert client.get("/logs/nix").status_code == 404
    assert "What to do" in client.get("/hosts/nix").text


def test_bad_time_explains_itself(client: TestClient) -> None:
    answer = client.get("/search?from=yesterdayish")
    assert answer.status_code == 422
    assert "from is not a time" in answer.text


def test_static_files_are_cached_compressed_and_confined(client: TestClient) -> None:
    place = assets.address("app.css")
    first = client.get(place)
    assert "immutable" in first.headers["cache-control"]
    assert first.headers["content-encoding"] == "gzip"
    assert client.get(place, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    for outside in ("/static/../pages.py", "/static/%2e%2e/pages.py", "/static/bokeh/bokeh.js", "/static/"):
        assert client.get(outside).status_code == 404


def test_bokeh_comes_from_the_installed_package(client: TestClient) -> None:
    answer = client.get(assets.address(assets.BOKEH))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert b"bokeh" in answer.content[:2000].lower()


def test_pages_need_no_bokeh_import() -> None:
    import subprocess
    import sys

    code = "import sys, logsense.api.app; sys.exit('bokeh' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
