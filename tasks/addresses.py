"""Addresses of files: local paths and URLs, and what of a URL may be shown.

A secret in an address would end in tables, logs and the server's database. So addresses with credentials in them are
refused, and the query of a web address, in which signed URLs carry their signature, is shown without its values.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

#: Credentials before the host: `scheme://user:password@`; passwords may hold a slash, and `:8080/` is a port.
_PASSWORD = re.compile(
    r"(?<![A-Za-z0-9+.-])([a-z][a-z0-9+.-]*://)(?!arn:)[^/\s:@[]*:(?!:)(?!\d+(?:[/?#]|$))[^\s@]*@", re.I
)
#: In these schemes a name alone before the host is an access key or a token; others have user names there.
_TOKEN = re.compile(r"(?<![A-Za-z0-9+.-])((?:https?|s3a?|gs|gcs)://)[^/\s@]+@", re.I)
_QUERY = re.compile(r"(https?://[^\s?#'\"<>]*)\?([^\s#'\"<>]*)(#[^\s'\"<>]*)?", re.I)
#: Parameters that only say which object is meant.
_HARMLESS = frozenset({"versionid", "generation", "id", "v"})
#: A URL within a URL: `zip://inner.mp4::s3://bucket/outer.zip`.
_CHAIN = re.compile(r"::[a-z][a-z0-9+.-]*://", re.I)

REFUSED = "the address holds credentials"
ADVICE = "Take them out of the address; they are read from where they usually are, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."


def local_path(uri: str) -> Path | None:
    """The path of a local uri (plain or file://); None for anything remote."""
    if uri[:6].lower() == "file:/":
        path = uri[5:]
        if path.startswith("//"):
            path = "/" + path[2:].partition("/")[2]  # what is between is the host
        return Path(unquote(path))
    return Path(uri) if "://" not in uri else None


def has_credentials(address: str) -> bool:
    """Whether a user and password, or a key, stand in the address."""
    return bool(_PASSWORD.search(address) or _TOKEN.search(address))


def masked(words: str) -> str:
    """An address, or a text with addresses in it, as it may be shown: without credentials and signatures."""
    hidden = _TOKEN.sub(r"\1***@", _PASSWORD.sub(r"\1***@", words))
    return _QUERY.sub(_without_values, hidden)


def _without_values(found: re.Match[str]) -> str:
    names = (pair.partition("=") for pair in found[2].split("&"))
    shown = (
        f"{name}={value}" if name.lower() in _HARMLESS else f"{name}=***" if value else "***"
        for name, _, value in names
    )
    return f"{found[1]}?{'&'.join(shown)}"


def scheme_of(address: str) -> str:
    """`s3` of `s3://bucket/key`, lower case."""
    return address.partition("://")[0].lower()


def is_chained(address: str) -> bool:
    return bool(_CHAIN.search(address))


def path_of(address: str) -> str:
    """What comes after the host or bucket, without the query of a web address; may be empty."""
    rest = address.partition("://")[2]
    if scheme_of(address) in ("http", "https") or is_chained(address):
        rest = re.split("[?#]", rest)[0]
    return rest.partition("/")[2].strip("/")


def beside(address: str, name: str) -> str:
    """The address of a file beside another: in the same folder, or below it."""
    return f"{address.rpartition('/')[0]}/{name}"


def suffix_of(address: str) -> str:
    """`.mp4`, lower case; empty without one."""
    path = local_path(address)
    return (path.suffix if path else PurePosixPath(path_of(address)).suffix).lower()
