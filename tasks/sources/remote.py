"""Remote files: fsspec's file systems, opened as we need them, with errors that say what is wrong and hold no secret.

Credentials and endpoints come from where each store's library looks for them: environment, profiles, the machine's role.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import TracebackType
from typing import Any

import fsspec

from tasks.addresses import ADVICE, REFUSED, has_credentials, is_chained, masked, scheme_of
from tasks.errors import ReelscopeError, StorageError, UnreadableSource, UsageError
from tasks.settings import Sources
from tasks.sources.identity import Info, identity

#: Per scheme, what installs it and with which extra of ours.
_EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3")}
S3FS_TRIES = 2  # of each request, also where an answer breaks off; for a file as a whole again, and botocore's on top
_NO_LISTINGS = {"use_listings_cache": False}  # another run may have written since
_S3 = {
    **_NO_LISTINGS,
    "max_concurrency": 1,  # a file is read with one request, and its size is not asked for first
}
_OPTIONS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("gs", "gcs", "abfs", "abfss", "az", "adl", "http", "https", "hf", "oss"), _NO_LISTINGS),
}
_REQUEST = re.compile(r"(https?://[^\s?\"']+)\?[^\s\"']*")  # what was asked of a store is no news
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
            raise ValueError("a file system within another")
        # and not url_to_fs, which would open such chains
        kind = fsspec.get_filesystem_class(scheme)
        options = {**kind._get_kwargs_from_urls(address), **_OPTIONS.get(scheme, {})}
        if scheme in _EXTRAS:
            options["config_kwargs"] = _retries()
        if scheme == "https":
            options["client_kwargs"] = _secure_client()
        files = kind(**options)
        if scheme in _EXTRAS:
            files.retries = S3FS_TRIES
        return files, str(kind._strip_protocol(address))


def _retries() -> dict[str, Any]:
    """Botocore's own tries: few, so that a store that is not there is said in seconds."""
    if os.environ.get("AWS_MAX_ATTEMPTS") or os.environ.get("AWS_RETRY_MODE"):
        return {}
    return {"retries": {"mode": "standard", "max_attempts": 2}}


@cache
def _secure_client() -> dict[str, Any]:
    """Settings of aiohttp's client: a server may send it on to another address, but not to one that is not https."""
    from aiohttp import ClientSession, TraceConfig, TraceRequestRedirectParams
    from yarl import URL

    async def sent_on(session: ClientSession, context: object, request: TraceRequestRedirectParams) -> None:
        target = request.response.headers.get("Location") or request.response.headers.get("URI") or ""
        if request.url.join(URL(target)).scheme != "https":
            raise ValueError("the server sends on to an address that is not https")

    tracing = TraceConfig()
    tracing.on_request_redirect.append(sent_on)
    return {"trace_configs": [tracing]}


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
    words = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
    reason = masked(_REQUEST.sub(r"\1", words)) or kind
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
        what = "no such bucket" if "bucket does not exist" in reason else "no such object"
        advice = "Check that it exists, the address and the endpoint (such as AWS_ENDPOINT_URL)."
        return UnreadableSource(f"{where}: {what}", advice)
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
    number = error.errno if isinstance(error, OSError) and error.errno else None
    number = number or (errno.ETIMEDOUT if isinstance(error, TimeoutError) else errno.EIO)
    return OSError(number, reason, where)  # Python makes the kind of it that the number has


def line_of(error: ReelscopeError | OSError) -> str:
    """The address and what is wrong with it, as one line."""
    if isinstance(error, ReelscopeError):
        return error.message
    return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)


def as_usage(what: str, error: ReelscopeError | OSError) -> UsageError:
    """What `told` has raised, as the one line that refuses a command. what: `source`, `output`, ..."""
    if isinstance(error, ReelscopeError):
        return UsageError(f"{what} {error.message}. {error.advice}")
    return UsageError(f"{what} {line_of(error)}")


def as_storage(error: ReelscopeError | OSError) -> StorageError:
    """The same for what a run could not write or read of its own."""
    if isinstance(error, ReelscopeError):
        return StorageError(error.message, error.advice)
    advice = "Is the store up, and within reach? What was finished before is kept, and the same command goes on."
    return StorageError(line_of(error), advice)


def reach(address: str) -> tuple[Any, str]:
    """The file system and the path, once the store has answered: the bucket is there and may be listed.

    A folder need not be there. Raises UnreadableSource, or OSError where it cannot be reached.
    """
    files, root = open_files(address)
    with told(address):
        if is_s3(files):
            bucket, key, _ = files.split_path(root)
            files.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
        else:
            with suppress(FileNotFoundError):
                files.ls(root, detail=False)
    return files, root


def is_s3(files: Any) -> bool:
    """Whether the store's own requests can be made."""
    return hasattr(files, "call_s3")


def pages(address: str, files: Any, root: str) -> Iterator[list[tuple[str, str, Info]]]:
    """What lies below a folder as (path, path from the folder, info): a page of keys at a time from S3, which has them in
    order; elsewhere a folder at a time, in order. Raises as `told` does.
    """
    if not is_s3(files):
        start = root.rstrip("/") + "/"
        walk = files.walk(root, detail=True)
        while True:
            with told(address):
                folder = next(walk, None)
            if folder is None:
                return
            inner = ((f"{folder[0].rstrip('/')}/{name}", info) for name, info in sorted(folder[2].items()))
            yield [(path, path.removeprefix(start), info) for path, info in inner]
    bucket, key, _ = files.split_path(root)
    prefix = f"{key.rstrip('/')}/" if key else ""
    more: dict[str, str] = {}
    while True:
        with told(address):
            page = files.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        yield [
            (f"{bucket}/{item['Key']}", item["Key"].removeprefix(prefix), {**item, "size": item["Size"]})
            for item in page.get("Contents", ())
        ]
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def has(files: Any, path: str) -> bool:
    """Whether a file is there, with one request."""
    if is_s3(files):
        bucket, key, _ = files.split_path(path)
        try:
            files.call_s3("head_object", Bucket=bucket, Key=key)
        except FileNotFoundError:
            return False
        return True
    return bool(files.isfile(path))


def content_of(files: Any, path: str) -> bytes | None:
    """What stands in a file, with one request; None where there is none."""
    try:
        return bytes(files.cat_file(path))
    except FileNotFoundError:
        return None


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
        """Below 0 for a place that no file has: an error that FFmpeg understands."""
        with told(self.address):
            try:
                return int(self._file.seek(at, whence))
            except ValueError:
                return -errno.EINVAL

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
