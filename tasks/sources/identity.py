"""What a store says of a file: when it was written, and whether its content is one that is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tasks.addresses import masked, scheme_of

Info = Mapping[str, Any]  # as fsspec's `info` and listings have it

_HEX_TAG = frozenset("0123456789abcdef-")


def modified_s(info: Info) -> float | None:
    """When a remote file was written, in seconds since 1970; file systems name it in their own ways."""
    for name in ("LastModified", "last_modified", "mtime", "updated", "created", "Last-Modified"):
        value = info.get(name)
        if isinstance(value, str):
            value = _moment(value)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return None


def _moment(words: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(words)
        except ValueError:
            continue
    return None


def identity(address: str, info: Info) -> str | None:
    """What the store says of a file's content: two files that it is equal for are equal. None where it says too little.

    S3 gives each content a tag (ETag), others a checksum; elsewhere a tag tells the versions of one address apart, so the
    address is part of the identity. Weak tags are none.
    """
    size = info.get("size")
    if size is None:
        return None
    for name in ("md5Hash", "content_md5", "Content-MD5"):
        settings = info.get("content_settings")
        value = info.get(name) or (settings.get(name) if isinstance(settings, Mapping) else None)
        if value:
            return f"md5:{value.hex() if isinstance(value, (bytes, bytearray)) else value}:{size}"
    found = info.get("ETag") or info.get("etag")
    if not isinstance(found, str) or found.startswith(("W/", "w/")) or not (tag := found.strip('"')):
        return None
    if scheme_of(address) in ("s3", "s3a") and len(tag) >= 32 and set(tag.lower()) <= _HEX_TAG:
        return f"etag:{tag.lower()}:{size}"
    version = info.get("generation") or info.get("VersionId") or info.get("version_id") or ""
    place = hashlib.sha256(masked(address).encode()).hexdigest()[:32]
    return f"etag:{place}:{tag}:{version}:{size}"
