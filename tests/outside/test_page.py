"""The page from outside: 0.36's labels for scripts, lynx and curl, a document for browsers, everything escaped, no secret in it.

What browsers make of it, tests/browser looks at.
"""

import html
import re
import subprocess

import pytest

from harness.wire import get, http, request

BROWSER = ["User-Agent: Mozilla/5.0", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]
LYNX = ["User-Agent: Lynx/2.9.0dev.12 libwww-FM/2.14FM", "Accept: text/html, text/plain, text/sgml, text/css, */*;q=0.01"]
LABELS = ["LOCKS", "QUEUE", "STATS"]
NASTY = "<script>alert(1)</script> & \"co\" \u00e9\nnew line"


@pytest.fixture
def busy(make_server, connect):
    """A lock with one holder and one waiter, a second lock, and counters that are not all alike."""
    server = make_server({"DEFAULT_LOCK_SIZE": 1}, sections="[lock other]\nSIZE=2\n").start()
    connection = connect(server)
    for _ in range(2):
        assert connection.release(connection.take("over"))
    server.holder, server.waiter = connection.take("i hold"), connection.query(NASTY)
    assert connection.get(server.holder)
    return server


def browse(server, path="/", headers=BROWSER):
    """What a browser gets."""
    response = http(server.at, request(b"", headers, "GET", path, length=False))
    assert response.status == 200 and response.headers["content-type"].startswith("text/html")
    return response.text


def visible(page):
    """What a person reads of a page."""
    without = re.sub(r"<(style|script|title)\b.*?</\1>", "", page, flags=re.S | re.I)
    return html.unescape(re.sub(r"<[^>]*>", "", without))


def section(text, lock):
    """The part of a page about one lock."""
    return text.split(f'Lock "{lock}"', 1)[1].split('\nLock "', 1)[0]


def check_content(text, server):
    """What the page must say, whatever its form."""
    mine = section(text, "DefaultLock")
    assert [label for label in LABELS if label in mine] == LABELS
    holders, queue = mine.split("QUEUE", 1)
    queue, stats = queue.split("STATS", 1)
    assert f"[Lock {server.holder[:8]}] (i hold)" in holders
    assert f"[Lock {server.waiter[:8]}] (<script>alert(1)</script> & \"co\" \u00e9" in queue
    assert server.holder[:8] not in queue and server.waiter[:8] not in holders
    for line in ("Query locks: 4", "Locks got: 4", "Locks released: 2", "Locks expired: 0", "Locks forgotten: 0"):
        assert line in stats, stats
    assert "Query locks: 0" in section(text, "other")


def test_a_script_of_old_gets_the_document_of_old(busy):
    page = browse(busy, headers=["User-Agent: Python-urllib/3.11", "Accept: */*"])
    assert "<script" not in page
    check_content(visible(page), busy)


def test_lynx_gets_the_text(busy):
    response = http(busy.at, request(b"", LYNX, "GET", "/", length=False))
    assert response.headers["content-type"].startswith("text/plain")
    check_content(response.text, busy)
    one = http(busy.at, request(b"", LYNX, "GET", "/locks/other", length=False))
    assert one.text.startswith('Lock "other"') and "DefaultLock" not in one.text


def test_a_browser_gets_a_document_that_can_be_read(busy):
    page = browse(busy)
    assert "<script>alert" not in page and " style=" not in page
    text = visible(page)
    assert "1 of 3 permits in use, 1 waiting, 2 locks." in text and "DefaultLock" in text and "other" in text
    page = browse(busy, "/locks/DefaultLock")
    assert "<script>alert" not in page and " style=" not in page
    text = visible(page)
    assert "Its only permit is in use. 1 waits" in text and "i hold" in text
    assert "<script>alert(1)</script> & \"co\" \u00e9" in text
    nothing = http(busy.at, request(b"", BROWSER, "GET", "/locks/nothing", length=False))
    assert nothing.status == 404 and "There is no such lock." in nothing.text


def test_what_the_page_is_made_of(busy):
    """Small in all, kept by caches, nothing from elsewhere."""
    response = http(busy.at, request(b"", BROWSER, "GET", "/", length=False))
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    parts = sorted(set(re.findall(r'(?:href|src)="(/page/[^"]*)"', response.text)))
    assert len(parts) > 5 and not re.findall(r'(?:href|src)="(?:https?:)?//', response.text)
    total = len(response.text)
    for part in parts:
        asset = http(busy.at, request(b"", BROWSER, "GET", part, length=False))
        assert asset.status == 200 and "immutable" in asset.headers["cache-control"], part
        total += len(asset.text)
        again = http(busy.at, request(b"", [*BROWSER, "If-None-Match: " + asset.headers["etag"]], "GET", part, length=False))
        assert again.status == 304 and again.text == ""
    assert total < 135_000
    assert http(busy.at, request(b"", BROWSER, "GET", "/page/x/nothing.js", length=False)).status == 404
    other = http(busy.at, request(b"", BROWSER, "GET", "/page/another-version/main.js", length=False))
    assert other.status == 200 and other.headers["cache-control"] == "no-cache"


def test_curl_gets_text(busy):
    text = subprocess.run(["curl", "-sS", "--fail", f"http://{busy.address}:{busy.port}/"], capture_output=True,
                          check=True, timeout=30).stdout.decode()
    check_content(text, busy)
    assert text.startswith('Lock "') or '\nLock "' in text
    # One entry is one line, whatever a client wrote into its info.
    assert [line for line in text.splitlines() if line.startswith("new line")] == []


def test_accept_text_plain_gets_text(busy):
    headers = ["User-Agent: Mozilla/5.0", "Accept: text/plain"]
    response = http(busy.at, request(b"", headers, "GET", "/", length=False))
    assert response.headers["content-type"].startswith("text/plain")
    assert "utf-8" in response.headers["content-type"].lower()
    assert response.text == get(busy.at).text


def test_no_id_can_be_read_from_it(busy):
    for page in (browse(busy), get(busy.at).text):
        for ticket in (busy.holder, busy.waiter):
            assert ticket not in page and ticket[:9] not in page and ticket[9:] not in page


def test_names_are_escaped(make_server):
    server = make_server({"DEFAULT_LOCK": "a<b>&c"}).start()
    page = browse(server)
    assert "a<b>" not in page
    assert "a<b>&c" in visible(page)


def test_no_cache_keeps_it(busy):
    response = get(busy.at)
    assert "no-store" in response.headers["cache-control"]


def test_it_has_a_bound(make_server, connect):
    """However many wait with however long an info, the page stays small, and says what it leaves out."""
    sections = "".join(f"[lock l{number:02}]\n" for number in range(6))
    server = make_server({"DEFAULT_LOCK": ""}, sections=sections, store="memory").start()
    connection = connect(server)
    for number in range(6):
        for _ in range(180):
            assert connection.call("query_lock", f"l{number:02}", "x" * 4000)[0]
    text = get(server.at).text
    assert len(text) < 3_000_000
    assert "\t... and " in text and text.endswith("more locks\n")
