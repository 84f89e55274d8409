"""Remote files: fsspec's file systems, opened as we need them, with errors that say what is wrong and hold no secret.

Credentials and endpoints come from where each store's library looks for them: environment, profiles, the machine's role.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import fsspec

from tasks.addresses import ADVICE, REFUSED, has_credentials, is_chained, masked, scheme_of
from tasks.errors import ReelscopeError, UnreadableSource, UsageError
from tasks.settings import Sources

Info = Mapping[str, Any]

#: Per scheme, what installs it and with which extra of ours.
_EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3")}
_NO_LISTINGS = {"use_listings_cache": False}  # another run may have written since
_S3 = {
    **_NO_LISTINGS,
    "max_concurrency": 1,  # a file is read with one request, and its size is not asked for first
}
_OPTIONS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("gs", "gcs", "abfs", "abfss", "az", "adl", "http", "https", "hf", "oss"), _NO_LISTINGS),
}
_HEX_TAG = frozenset("0123456789abcdef-")
_CHANGED = "It was replaced while the run was under way; run the same command again."


def open_files(address: str) -> tuple[Any, str]:
    """The file system of an address, and its path there; nothing is asked of the store yet.

    Raises UnreadableSource where the address holds credentials, is none, or its library is not installed.
    """
    if has_credentials(address):
        raise UnreadableSource(f"{masked(address)}: {REFUSED}", ADVICE)
    scheme = scheme_of(address)
    with told(address):
        if scheme in _EXTRAS:
            importlib.import_module(_EXTRAS[scheme][0])
        if is_chained(address):
            files, path = fsspec.url_to_fs(address)
            return files, str(path)
        # url_to_fs would take `a::b.mp4` for a file system within another
        kind = fsspec.get_filesystem_class(scheme)
        options = {**kind._get_kwargs_from_urls(address), **_OPTIONS.get(scheme, {})}
        if scheme in _EXTRAS:
            options["config_kwargs"] = _retries()
        return kind(**options), str(kind._strip_protocol(address))


def _retries() -> dict[str, Any]:
    """Fewer than botocore's own, which are on top of s3fs's: a store that is not there is said in seconds."""
    if os.environ.get("AWS_MAX_ATTEMPTS") or os.environ.get("AWS_RETRY_MODE"):
        return {}
    return {"retries": {"mode": "standard", "max_attempts": 2}}


@contextmanager
def told(address: str) -> Iterator[None]:
    """Errors of the block are said of this address.

    UnreadableSource is final: not there, forbidden, replaced, no library; an OSError may pass if it is tried again.
    """
    try:
        yield
    except ReelscopeError:
        raise
    except Exception as error:  # file systems also raise what their own libraries do
        raise _error_of(address, error) from None


def _error_of(address: str, error: Exception) -> Exception:
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, (OSError, ValueError)):
        error = error.__cause__  # what aiohttp says is told so
    where, kind = masked(address), type(error).__name__
    reason = masked(str(error.strerror if isinstance(error, OSError) and error.strerror else error)) or kind
    scheme = scheme_of(address)
    if isinstance(error, ImportError):
        if scheme in _EXTRAS:
            package, extra = _EXTRAS[scheme]
            words = f"{where}: {scheme}:// needs {package}, which is not installed"
            return UnreadableSource(words, f"pip install 'reelscope[{extra}]', or copy the files to a local folder.")
        return UnreadableSource(
            f"{where}: {reason}", "Install what the message names, or copy the file to a local folder."
        )
    if kind == "FileExpired" or (isinstance(error, OSError) and "pre-conditions" in str(error)):
        return UnreadableSource(f"{where}: the object has changed", _CHANGED)
    status = getattr(error, "status", None) or getattr(error.__cause__, "status", None)  # of a web server
    if status in (401, 403):
        error = PermissionError(errno.EACCES, f"the server says {status}")
        reason = f"the server says {status}"
    if isinstance(error, FileNotFoundError):
        return UnreadableSource(
            f"{where}: {'no such bucket' if 'bucket does not exist' in reason else 'no such object'}",
            "Check that the object exists, and the address and the endpoint (such as AWS_ENDPOINT_URL).",
        )
    if isinstance(error, PermissionError):
        return UnreadableSource(
            f"{where}: access denied" + (f" ({reason})" if reason else ""),
            "Check the credentials (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and what they may read.",
        )
    if "Credentials" in kind or kind in ("ProfileNotFound", "DefaultCredentialsError"):
        return UnreadableSource(
            f"{where}: {reason[:1].lower()}{reason[1:]}",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; other stores have their own.",
        )
    if isinstance(error, (ValueError, TypeError)) and not isinstance(error, OSError):
        return UnreadableSource(
            f"{where}: {reason}",
            "Correct the address: a local path, or a URL that fsspec knows; or use a local folder.",
        )
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
    return (
        type(error)(number, f"{where}: {reason}") if type(error) in _BUILT_IN else OSError(number, f"{where}: {reason}")
    )


#: OSErrors of Python's own, whose kind is kept.
_BUILT_IN = frozenset(
    {OSError, TimeoutError, ConnectionError, ConnectionResetError, ConnectionRefusedError, BlockingIOError}
)


def as_usage(what: str, error: ReelscopeError | OSError) -> UsageError:
    """What `told` has raised, as the one line that refuses a command. what: `source`, `output`, ..."""
    if isinstance(error, ReelscopeError):
        return UsageError(f"{what} {error.message}. {error.advice}")
    return UsageError(f"{what} {error.strerror or error}")


def has(files: Any, path: str) -> bool:
    """Whether a file is there, with one request."""
    if hasattr(files, "call_s3"):
        bucket, key, _ = files.split_path(path)
        try:
            files.call_s3("head_object", Bucket=bucket, Key=key)
        except FileNotFoundError:
            return False
        return True
    return bool(files.isfile(path))


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
    from email.utils import parsedate_to_datetime

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


class RemoteFile:
    """A remote file as PyAV reads it: `read`, `seek`, `tell`, `close`, with a bounded number of blocks in memory.

    content: the identity that was planned with, None where there is none; the file must still have it.
    Raises UnreadableSource or OSError, as `told` has it, when it is opened and when it is read.
    """

    def __init__(self, address: str, settings: Sources, content: str | None = None) -> None:
        self.address, self.name, self.failed = address, masked(address), False
        files, path = open_files(address)
        with told(address):
            self._file = files.open(
                path,
                "rb",
                block_size=int(settings.block_mb * 2**20),
                cache_type="background",  # the next block is on its way while this one is decoded
                cache_options={"maxblocks": settings.blocks},
            )
            try:
                self._check(getattr(self._file, "details", None) or files.info(path), content)
            except BaseException:
                self._file.close()
                raise

    def _check(self, info: Info, content: str | None) -> None:
        if info.get("type") == "directory":
            raise UnreadableSource(f"{self.name}: a directory, not a file", "Point the source at it.")
        now = identity(self.address, info)
        if content is not None and now is not None and now != content:
            raise UnreadableSource(f"{self.name}: the object has changed since the run was planned", _CHANGED)

    def read(self, size: int = -1) -> bytes:
        if self.failed:  # PyAV raises the first error, a little later, and would print the traceback of any other
            return b""
        try:
            with told(self.address):
                return bytes(self._file.read(size))
        except Exception:
            self.failed = True
            raise

    def seek(self, at: int, whence: int = 0) -> int:
        with told(self.address):
            return int(self._file.seek(at, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
