"""Fetching a page: what comes back from a real server on loopback, and every way into this machine that is shut."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms import bridge
from llms.tools.page import Page, read
from llms.tools.tool import ToolError
from llms.tools.web import Fetcher, page, public, system_resolve, web_page


class Pages(BaseHTTPRequestHandler):
    """What the tests fetch; remembers what was asked."""

    asked: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self):
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        path, _, where = self.path.partition("?")
        answer = getattr(self, "page_" + path.strip("/").replace("-", "_"), None)
        if path == "/to":
            self.answer(302, {"Location": where, "Set-Cookie": "a=b"})
        elif answer:
            answer()
        else:
            self.answer(404)

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def page_article(self):
        body = "<title>Zahlen</title><h1>Größe</h1><p>Zwei &lt; drei<script>steal()</script> <a href='/more'>mehr</a>"
        self.answer(200, {"Content-Type": "text/html; charset=iso-8859-1"}, body.encode("latin-1"))

    def page_meta(self):
        self.answer(200, {"Content-Type": "text/html"}, "<meta charset=koi8-r><p>мир".encode("koi8-r"))

    def page_text(self):
        self.answer(200, {"Content-Type": "text/plain"}, b"plain & simple")

    def page_json(self):
        self.answer(200, {"Content-Type": "application/problem+json"}, b'{"a": 1}')

    def page_picture(self):
        self.answer(200, {"Content-Type": "image/png"}, b"\x89PNG")

    def page_squeezed(self):
        self.answer(200, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}, b"\x1f\x8b")

    def page_huge(self):
        self.answer(200, {"Content-Type": "text/plain"}, b"x" * 6_000_000)

    def page_loop(self):
        self.answer(302, {"Location": "/loop"})

    def page_slow(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            return

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made.server_port
    made.shutdown()
    made.server_close()
    thread.join()


async def to_loopback(host, port):
    return ["127.0.0.1"]


LOCAL = Fetcher(to_loopback, loopback=True)


def fetch(address, fetcher=LOCAL):
    return bridge.run(page(address, fetcher))


def refused(address, fetcher=LOCAL) -> str:
    with pytest.raises(ToolError) as caught:
        fetch(address, fetcher)
    return caught.value.kind


def test_a_page_becomes_text_with_title_and_links(server):
    address = f"http://example.org:{server}/article"
    assert fetch(address) == (f"Zahlen\n{address}\n\n# Größe\n\nZwei < drei [mehr](http://example.org:{server}/more)")
    assert fetch(f"http://example.org:{server}/meta").endswith("мир")
    assert fetch(f"http://example.org:{server}/text").endswith("\n\nplain & simple")
    assert fetch(f"http://example.org:{server}/json").endswith('{"a": 1}')


def test_nothing_of_the_user_goes_along(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", "/dev/null")
    Pages.asked.clear()
    fetch(f"http://example.org:{server}/to?/text")
    assert [path for path, _ in Pages.asked] == ["/to?/text", "/text"]
    for _, headers in Pages.asked:
        assert set(headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}
        assert headers["host"] == f"example.org:{server}"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("missing", "http_status"),
        ("picture", "content_type"),
        ("squeezed", "content_type"),
        ("huge", "too_large"),
        ("loop", "redirects"),
    ],
)
def test_what_is_not_read_has_its_word(server, path, kind):
    assert refused(f"http://example.org:{server}/{path}") == kind


def test_a_slow_page_is_given_up(server, monkeypatch):
    monkeypatch.setattr("llms.tools.web.SECONDS", 0.3)
    assert refused(f"http://example.org:{server}/slow") == "timeout"


def test_three_redirects_are_followed_and_no_more(server):
    base = f"http://example.org:{server}"
    assert fetch(f"{base}/to?/to?/to?/text").endswith("simple")
    assert refused(f"{base}/to?/to?/to?/to?/text") == "redirects"


CLOSED = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1",
    "100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "198.18.0.1",
    "192.88.99.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "fd20:ce::254", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2600::5efe:7f00:1", "2600::200:5efe:a9fe:a9fe", "100::1", "5f00::1",
    "not an address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_inside_is_not_public(address):
    assert not public(address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "1.1.1.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::200e"]
)
def test_an_address_of_the_internet_is_public(address):
    assert public(address)


@given(st.ip_addresses())
def test_no_private_address_is_public(address):
    if public(str(address)):
        inside = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
        assert not any(getattr(address, kind) for kind in inside)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_numbers_that_the_resolver_reads_as_loopback_are_refused(host):
    assert refused(f"http://{host}/", Fetcher(system_resolve)) == "refused"


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd", "ftp://example.org/", "gopher://example.org/", "data:text/plain,x", "javascript:alert(1)", "//example.org/",
        "example.org", "", "http://", "http:///x", "http://[::1", "http://user:password@example.org/", "http://user@example.org/",
        "http://example.org:99999/", "http://a..b:x/", "\\\\host\\share",
    ],
)  # fmt: skip
def test_only_plain_web_addresses_are_fetched(address):
    assert refused(address) == "bad_address"


def test_only_ports_of_web_servers_are_reached():
    assert refused("http://example.org:25/") == "refused"
    assert refused("http://example.org:22/") == "refused"


def test_a_redirect_to_an_address_inside_is_refused(server):
    async def resolve(host, port):
        return ["127.0.0.1"] if host == "example.org" else await system_resolve(host, port)

    fetcher = Fetcher(resolve, loopback=True)
    Pages.asked.clear()
    for inside in (
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://[fd00::1]/",
        "//192.168.0.1/x",
    ):
        assert refused(f"http://example.org:{server}/to?{inside}", fetcher) == "refused"
    assert refused(f"http://example.org:{server}/to?file:///etc/passwd", fetcher) == "bad_address"
    assert all(path.startswith("/to?") for path, _ in Pages.asked)


def test_a_name_with_one_address_inside_is_refused_as_a_whole():
    async def resolve(host, port):
        return ["93.184.215.14", "10.0.0.1"]

    assert refused("http://example.org/", Fetcher(resolve)) == "refused"


def test_the_connection_goes_to_the_address_that_was_checked(server):
    """DNS rebinding: the second answer of the name server is an address inside; it is never asked for."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def resolve(host, port):
        return answers.pop(0)

    assert fetch(f"http://rebound.example:{server}/text", Fetcher(resolve, loopback=True)).endswith("simple")
    assert answers == [["169.254.169.254"]]


def test_the_tool_has_no_way_to_this_machine(server):
    Pages.asked.clear()
    with pytest.raises(ToolError, match="inside this machine"):
        bridge.run(web_page(f"http://127.0.0.1:{server}/text"))
    assert Pages.asked == []
    assert (web_page.kind, web_page.cancellable) == ("network", True)


def test_a_name_without_an_address_is_told():
    async def resolve(host, port):
        raise OSError("no such host")

    assert refused("http://nowhere.invalid/", Fetcher(resolve)) == "network"
    assert refused("http://example.org:1/", LOCAL) == "refused"


def test_an_international_name_is_resolved_in_its_encoded_form():
    seen = []

    async def resolve(host, port):
        seen.append(host)
        raise OSError

    refused("http://bücher.example/", Fetcher(resolve))
    refused("http://evil。example/", Fetcher(resolve))
    refused("http://example.org./", Fetcher(resolve))
    assert seen == ["xn--bcher-kva.example", "evil.example", "example.org"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>a<br>b", "a\nb"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<h2>x</h2>y", "## x\n\ny"),
        ("a<!-- hidden -->b", "ab"),
        ("a<script>if (a < b) {}</script>b", "ab"),
        ("a<style>p > a {}</style>b<template>t</template>", "ab"),
        ("3 < 4 &amp; 5 > 4", "3 < 4 & 5 > 4"),
        ("<a href='javascript:x'>a</a> <a href='#top'>b</a>", "a b"),
        ("<a href=x.html>a</a>", "[a](https://e.org/x.html)"),
        ("<a href='http://[broken'>a</a>", "a"),
        ("<img src=x onerror=alert(1)>text", "text"),
        ("unfinished <b", "unfinished"),
        ("<script>never closed", ""),
    ],
)
def test_html_becomes_text(source, text):
    assert read(source, "https://e.org/").text == text


@given(st.text(alphabet="<>/!-abh1 '\"=&#;\n", max_size=200))
def test_any_markup_is_read(source):
    found = read(source, "https://e.org/")
    assert isinstance(found, Page)
    assert len(found.text) <= 20 * len(source) + 20


@pytest.mark.parametrize("piece", ["<", "<a ", "<!--", "<script>", "<title>", "<a href=x>", "&#x", "<![", "</", "<p><"])
def test_hostile_markup_takes_no_more_than_its_length_in_steps(piece):
    read(piece * (300_000 // len(piece)), "https://e.org/")


def test_fetches_are_cancelled_with_their_caller(server):
    async def stop_early():
        task = asyncio.create_task(page(f"http://example.org:{server}/slow", LOCAL))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    bridge.run(stop_early())
