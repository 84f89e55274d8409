"""Makes data/samples: a dozen short videos with sidecars, and truth.json that says what is in them.

    python -m data.make_samples [--seed N] [--workers N] [--out FOLDER] [NAME ...]

Needs the project's packages and espeak-ng (apt-get install espeak-ng); the same seed and versions
give the same pictures, sound and truth.json (x264 does not always compress odd sizes into the same bytes).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent / "samples"
TRUTH = "truth.json"


def main(arguments: list[str] | None = None) -> int:
    """Make all samples, or those named; the others' entries in truth.json stay."""
    parser = argparse.ArgumentParser(
        prog="python -m data.make_samples", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="file names; all by default")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=SAMPLES)
    options = parser.parse_args(arguments)

    from data.samplekit.film import shoot
    from data.samplekit.films import FILMS

    options.out.mkdir(parents=True, exist_ok=True)
    unknown = set(options.names) - {film.name for film in FILMS}
    if unknown:
        parser.error(f"no such sample: {', '.join(sorted(unknown))}")
    truth_path = options.out / TRUTH
    videos = json.loads(truth_path.read_text())["videos"] if options.names and truth_path.exists() else {}
    wanted = [film for film in FILMS if not options.names or film.name in options.names]
    # A fresh process for each: what x264 finds in used memory can change its choices.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=context, max_tasks_per_child=1) as pool:
        jobs = {film.name: pool.submit(shoot, film, options.out, options.seed) for film in wanted}
        try:
            for film in wanted:
                videos[film.name] = jobs[film.name].result()
                size = (options.out / film.name).stat().st_size
                print(f"{film.name}: {film.duration_s:.1f} s, {size / 1000:.0f} kB", flush=True)
        except FileNotFoundError as error:
            pool.shutdown(cancel_futures=True)
            print(error, file=sys.stderr)
            return 2
    text = json.dumps({"seed": options.seed, "videos": dict(sorted(videos.items()))}, indent=1, ensure_ascii=False)
    truth_path.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
