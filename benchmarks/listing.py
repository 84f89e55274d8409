"""Memory of a catalog of a bucket, per key: `python -m benchmarks.listing [KEYS]`, against an S3 server on loopback (moto).

Three processes, each with its peak above what it had before: the catalog as a run makes it, its listing alone as it is
consumed, and fsspec's `find`, which holds a listing as a whole.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests import s3_server

KEYS = 30_000
URL = "s3://reels/many"


def main(keys: int) -> None:
    from moto.s3.models import s3_backends

    with s3_server.running():
        for number in range(keys):
            s3_backends["123456789012"]["aws"].put_object("reels", f"many/{number // 1000:04d}/{number:07d}.mp4", b"x")
        for what in ("catalog", "listing", "find"):
            subprocess.run([sys.executable, "-m", "benchmarks.listing", what], check=True)


def measure(what: str) -> None:
    import fsspec

    from tasks.settings import Sources
    from tasks.sources.catalog import scan
    from tasks.sources.listing import media_at

    files = fsspec.filesystem("s3", use_listings_cache=False)
    files.ls("reels")  # connected, with what that imports
    next(media_at(f"{URL}/0000/0000001.mp4", Sources()))
    Path("/proc/self/clear_refs").write_text("5")
    before, began_s = _peak_bytes(), time.process_time()
    if what == "catalog":
        keys = len(scan(URL, Sources()).videos)
    elif what == "listing":
        keys = sum(1 for _ in media_at(URL, Sources()))
    else:
        keys = len(files.find(URL, detail=True))
    grown = _peak_bytes() - before
    print(
        f"{what:8} {keys} keys: {grown / 1e6:.1f} MB, {grown / keys:.0f} bytes a key, {time.process_time() - began_s:.1f} CPU s"
    )


def _peak_bytes() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else str(KEYS)
    main(int(asked)) if asked.isdigit() else measure(asked)
