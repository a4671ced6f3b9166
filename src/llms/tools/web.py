"""Fetching a page that a model asked for, without letting it reach what only this machine can reach.

http and https alone; names are resolved first, and every address must be public; the connection goes to an address that was
checked, so that a second answer of the name server cannot change it; each redirect is checked the same way. Nothing of the
user goes along: no cookies, no credentials, no proxy.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from .page import read
from .tool import ToolError, tool

if TYPE_CHECKING:
    import httpx2

MOST_BYTES, SECONDS, MOST_REDIRECTS = 5_000_000, 10.0, 3
TYPES = re.compile(r"text/(html|plain|markdown|csv|xml)|application/(xhtml\+xml|json|xml|[\w.-]+\+(json|xml))")
CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]{1,40})""", re.IGNORECASE)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]

# IANA's registries of special-purpose addresses, and where clouds keep credentials on a public address
CLOSED_4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        "168.63.129.16/32",
    )
]  # fmt: skip
OPEN_6 = ipaddress.IPv6Network("2000::/3")  # all else is local, multicast, translated or unassigned
CLOSED_6 = [
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]  # protocols and Teredo, documentation, 6to4
ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


def public(address: str) -> bool:
    """Whether an address is one of the open internet. IPv6 that carries an IPv4 address inside is not, whatever it carries."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in CLOSED_4)
    if parsed.scope_id is not None or parsed.packed[8:12] in ISATAP:
        return False
    return parsed in OPEN_6 and not any(parsed in network for network in CLOSED_6)


async def system_resolve(host: str, port: int) -> list[str]:
    """The answer of the system's resolver; it also reads numbers such as 2130706433 and 0x7f.1 as addresses."""
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


@dataclass(frozen=True)
class Fetched:
    address: str
    media_type: str
    text: str


@dataclass(frozen=True)
class Fetcher:
    """`resolve` and `loopback` are for tests: the tool has the system's resolver, and no way to this machine."""

    resolve: Resolve = system_resolve
    loopback: bool = False

    async def fetch(self, address: str) -> Fetched:
        """The text at `address`, after at most 3 redirects. Raises ToolError."""
        try:
            async with asyncio.timeout(SECONDS):
                for _ in range(MOST_REDIRECTS + 1):
                    answer = await self._hop(address)
                    if isinstance(answer, Fetched):
                        return answer
                    address = answer
        except TimeoutError:
            raise ToolError("timeout", f"the page did not come within {SECONDS:g} seconds") from None
        raise ToolError("redirects", f"the page redirects more than {MOST_REDIRECTS} times")

    async def _hop(self, address: str) -> Fetched | str:
        """The page at `address`, or the address that it redirects to."""
        import httpx2

        parts, host, port = _parts(address)
        secure = parts.scheme == "https"  # without it the certificates need not be loaded, which takes 0.1 s
        last: Exception | None = None
        for checked in await self._checked(host, port):
            at = f"[{checked}]" if ":" in checked else checked
            target = f"{parts.scheme}://{at}:{port}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            default = port == (443 if secure else 80)
            headers = {
                "Host": (f"[{host}]" if ":" in host else host) + ("" if default else f":{port}"),
                "User-Agent": "llms",
                "Accept": "text/html, text/plain, application/json;q=0.9",
                "Accept-Encoding": "identity",
            }
            try:
                async with (
                    httpx2.AsyncClient(
                        verify=secure, trust_env=False, follow_redirects=False, timeout=SECONDS
                    ) as client,
                    client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as response,
                ):
                    return await _answer(response, address)
            except httpx2.ConnectError as error:
                last = error
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise ToolError(
                    "network", f"{host} did not answer properly: {error or type(error).__name__}"
                ) from error
        raise ToolError("network", f"{host} cannot be reached") from last

    async def _checked(self, host: str, port: int) -> list[str]:
        """The addresses of `host`. Refused as a whole if one of them is not public."""
        try:
            addresses = await self.resolve(host, port)
        except (OSError, UnicodeError):
            raise ToolError("network", f"the name {host} has no address", "check the spelling") from None
        for address in addresses:
            if not public(address) and not (self.loopback and ipaddress.ip_address(address).is_loopback):
                raise ToolError(
                    "refused", f"{host} is an address inside this machine or network; only public pages are fetched"
                )
        return addresses


def _parts(address: str) -> tuple[SplitResult, str, int]:
    """The address taken apart, with host and port. Raises ToolError for what is not fetched."""
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
        host = (
            host.rstrip(".").encode("idna").decode("ascii") if host and not host.isascii() else (host or "").rstrip(".")
        )
    except (ValueError, UnicodeError):
        raise ToolError(
            "bad_address", f"{address!r:.80} is not an address", "write it as https://example.org/page"
        ) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ToolError("bad_address", f"{address!r:.80} is not fetched: only http and https are", "write https://…")
    if parts.username is not None or parts.password is not None:
        raise ToolError("bad_address", "an address with a user name or password is not fetched", "leave it out")
    port = port or (443 if parts.scheme == "https" else 80)
    if port < 1024 and port not in (80, 443):
        raise ToolError("refused", f"port {port} is not a web server's")
    return parts, host, port


async def _answer(response: "httpx2.Response", address: str) -> Fetched | str:
    if response.status_code in (301, 302, 303, 307, 308) and response.headers.get("location"):
        return urljoin(address, str(response.headers["location"]))
    if response.status_code >= 400:
        raise ToolError("http_status", f"the server answered {response.status_code} {response.reason_phrase}")
    media_type, _, parameters = response.headers.get("content-type", "text/plain").lower().partition(";")
    if not TYPES.fullmatch(media_type.strip()):
        raise ToolError(
            "content_type", f"the page is {media_type.strip() or 'of no type'}; text is read", "fetch another page"
        )
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ToolError("content_type", "the page is compressed, which was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MOST_BYTES:
            raise ToolError("too_large", f"the page is larger than {MOST_BYTES:,} bytes")
    return Fetched(address, media_type.strip(), _decoded(bytes(body), parameters))


def _decoded(body: bytes, parameters: str) -> str:
    named = re.search(r"charset\s*=\s*[\"']?([\w-]+)", parameters)
    within = CHARSET.search(body[:2048])
    charset = named[1] if named else within[1].decode() if within else "utf-8"
    try:
        return body.decode(charset, "replace")
    except (LookupError, UnicodeError):
        return body.decode("utf-8", "replace")


async def page(address: str, fetcher: Fetcher) -> str:
    """Title, address and text of a page."""
    fetched = await fetcher.fetch(address)
    if "html" not in fetched.media_type:
        return f"{fetched.address}\n\n{fetched.text}"
    readable = await asyncio.to_thread(read, fetched.text, fetched.address)
    return f"{readable.title}\n{fetched.address}\n\n{readable.text}".lstrip()


@tool(kind="network", seconds=15.0)
async def web_page(url: str) -> str:
    """Fetch a public web page and return its text.

    Args:
        url: The address, for example "https://example.org/page".
    """
    return await page(url, Fetcher())
