"""The command line. Thin: it reads options, opens a session, runs a flow and shows what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.forking import prepare_forking
from flows.lines import say
from tasks.errors import EngineError, ReelscopeError, UsageError
from tasks.settings import Settings, load_settings
from tasks.storage import keep_others_out
from tasks.wording import shown

app = typer.Typer(
    name="reelscope",
    help="How short videos are built: niches, templates and clusters from a folder of videos.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Source = Annotated[str, typer.Argument(help="Folder, file, manifest (.csv .jsonl .parquet) or URL of videos.")]
Out = Annotated[str, typer.Option("--out", "-o", help="Folder or URL for the tables and the report.")]
OutFolder = Annotated[str, typer.Argument(help="Folder or URL with the tables of earlier runs.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Any setting; may be repeated.")
]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
Niches = Annotated[Path | None, typer.Option("--niches", help="YAML file that describes the niches.")]
Model = Annotated[str | None, typer.Option("--model", help="Niche model that `reelscope train` has written.")]
Corrections = Annotated[
    Path | None, typer.Option("--corrections", help="CSV file of niches set by hand: video_id,niche.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="CPU worker processes; one per core if not given.")
]
Ocr = Annotated[
    str | None, typer.Option("--ocr", metavar="auto|easyocr|rapidocr", help="Engine that reads on-screen text.")
]
SpeechEngine = Annotated[
    str | None,
    typer.Option(
        "--speech", metavar="auto|whisper|faster-whisper|pocketsphinx|none", help="Engine that transcribes speech."
    ),
]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Videos per task run.")]
Runner = Annotated[
    str | None, typer.Option("--runner", metavar="local|ray", help="Work on this machine, or on a Ray cluster.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N videos of the source.")]
Prune = Annotated[
    bool, typer.Option("--prune", help="Remove the rows of videos that came from SOURCE and are no longer in it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a machine-readable summary on stdout.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if any video failed, or lost a stage.")]


@app.command(epilog="Example: reelscope run data/samples --out out")
def run(
    source: Source,
    out: Out,
    strict: Strict = False,
    overrides: Overrides = None,
    config: Config = None,
    niches: Niches = None,
    model: Model = None,
    corrections: Corrections = None,
    workers: Workers = None,
    ocr: Ocr = None,
    speech: SpeechEngine = None,
    runner: Runner = None,
    batch_size: BatchSize = None,
    limit: Limit = None,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """The whole pipeline: niches, templates, clusters, tables and the report."""
    settings = settings_of(
        config,
        overrides,
        niches=niches,
        model=model,
        corrections=corrections,
        workers=workers,
        ocr=ocr,
        speech=speech,
        batch_size=batch_size,
        runner=runner,
    )
    prepare_forking()
    from flows.command import carry_out

    raise typer.Exit(carry_out("run", source, out, settings, limit, as_json, strict, prune=prune))


@app.command(epilog="Example: reelscope classify videos --out out --niches my-niches.yaml")
def classify(
    source: Source,
    out: Out,
    strict: Strict = False,
    overrides: Overrides = None,
    config: Config = None,
    niches: Niches = None,
    model: Model = None,
    corrections: Corrections = None,
    limit: Limit = None,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """The niche of each video, from its text alone; no media file is opened."""
    from flows.command import carry_out

    raise typer.Exit(
        carry_out(
            "classify",
            source,
            out,
            settings_of(config, overrides, niches=niches, model=model, corrections=corrections),
            limit,
            as_json,
            strict,
            prune=prune,
        )
    )


@app.command(epilog="Example: reelscope extract videos --out out --workers 4")
def extract(
    source: Source,
    out: Out,
    strict: Strict = False,
    overrides: Overrides = None,
    config: Config = None,
    workers: Workers = None,
    ocr: Ocr = None,
    speech: SpeechEngine = None,
    runner: Runner = None,
    batch_size: BatchSize = None,
    limit: Limit = None,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """How each video is built: shots, on-screen text, speech, sound and look."""
    settings = settings_of(
        config, overrides, workers=workers, ocr=ocr, speech=speech, batch_size=batch_size, runner=runner
    )
    prepare_forking()
    from flows.command import carry_out

    raise typer.Exit(carry_out("extract", source, out, settings, limit, as_json, strict, prune=prune))


@app.command(epilog="Example: reelscope analyze out")
def analyze(out: OutFolder, overrides: Overrides = None, config: Config = None, as_json: AsJson = False) -> None:
    """Clusters, niches and the report, from the templates that are there."""
    from flows.command import carry_out, existing

    raise typer.Exit(carry_out("analyze", None, existing(out), settings_of(config, overrides), None, as_json, False))


@app.command(epilog="Example: reelscope retry --out out --stage speech")
def retry(
    out: Out,
    stage: Annotated[str | None, typer.Option("--stage", help="Only failures of this stage.")] = None,
    error: Annotated[str | None, typer.Option("--error", help="Only failures of this error type.")] = None,
    strict: Strict = False,
    overrides: Overrides = None,
    config: Config = None,
    niches: Niches = None,
    model: Model = None,
    corrections: Corrections = None,
    workers: Workers = None,
    ocr: Ocr = None,
    speech: SpeechEngine = None,
    runner: Runner = None,
    as_json: AsJson = False,
) -> None:
    """Only what failed, also what is no longer tried by itself."""
    settings = settings_of(
        config,
        overrides,
        niches=niches,
        model=model,
        corrections=corrections,
        workers=workers,
        ocr=ocr,
        speech=speech,
        runner=runner,
    )
    from flows.command import carry_out, existing
    from flows.retry import failed_videos

    catalog = failed_videos(existing(out), settings.sources, stage, error)
    again = settings.model_copy(update={"limits": settings.limits.model_copy(update={"attempts": sys.maxsize})})
    raise typer.Exit(carry_out("run", catalog.source, out, again, None, as_json, strict, catalog))


@app.command(epilog="Example: reelscope plan videos --out out")
def plan(
    source: Source,
    out: Out,
    overrides: Overrides = None,
    config: Config = None,
    niches: Niches = None,
    model: Model = None,
    corrections: Corrections = None,
    workers: Workers = None,
    ocr: Ocr = None,
    speech: SpeechEngine = None,
    runner: Runner = None,
    batch_size: BatchSize = None,
    limit: Limit = None,
    prune: Prune = False,
    as_json: AsJson = False,
) -> None:
    """What a run would do and reuse, and what it will take, going by past runs; nothing is computed."""
    settings = settings_of(
        config,
        overrides,
        niches=niches,
        model=model,
        corrections=corrections,
        workers=workers,
        ocr=ocr,
        speech=speech,
        batch_size=batch_size,
        runner=runner,
    )
    from flows.preview import preview, show

    told = preview(source, out, settings, limit, prune)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
    else:
        show(told)


@app.command(epilog="Example: reelscope why cat-vs-cup --out out --speech pocketsphinx")
def why(
    video: Annotated[str, typer.Argument(help="video_id, uri, path or file name of a video.")],
    out: Out,
    source: Annotated[
        str | None, typer.Option("--source", help="Where the video lies; the source of the last run otherwise.")
    ] = None,
    overrides: Overrides = None,
    config: Config = None,
    niches: Niches = None,
    model: Model = None,
    corrections: Corrections = None,
    ocr: Ocr = None,
    speech: SpeechEngine = None,
    as_json: AsJson = False,
) -> None:
    """Per stage of a video: what a run with these options would reuse or redo, and which input changed."""
    settings = settings_of(
        config, overrides, niches=niches, model=model, corrections=corrections, ocr=ocr, speech=speech
    )
    from flows.command import existing
    from flows.enquiry import show
    from flows.enquiry import why as enquire

    told = enquire(video, existing(out), source, settings)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
    else:
        show(told)


@app.command(epilog="Example: reelscope report out")
def report(out: OutFolder) -> None:
    """Rebuild the HTML report from the tables."""
    from flows.command import existing
    from tasks.analysis.summary import report as write
    from tasks.tables import Tables

    say(write(Tables(existing(out))))


@app.command(epilog="Example: reelscope train labels.csv --out niches.model --precision 0.8")
def train(
    labels: Annotated[
        str,
        typer.Argument(
            help="Labelled file (.csv .jsonl .parquet): title, description, tags, channel; niche or category."
        ),
    ],
    model: Annotated[str, typer.Option("--out", "-o", help="File for the model.")],
    precision: Annotated[
        float,
        typer.Option(
            "--precision", min=0.01, max=1, help="Share of right niches above the confidence it abstains below."
        ),
    ] = 0.8,
    corrections: Corrections = None,
    videos: Annotated[
        str | None, typer.Option("--videos", help="OUT that has the text of corrected videos that LABELS lacks.")
    ] = None,
    embeddings: Annotated[
        str | None, typer.Option("--embeddings", metavar="FOLDER", help="Learn from these sentence embeddings, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A niche model from a labelled file, judged on channels that it was not trained on; for run and classify --model."""
    from flows.training import show
    from flows.training import train as make

    card = make(labels, model, precision, str(corrections) if corrections else None, videos, embeddings)
    if as_json:
        typer.echo(card.model_dump_json(indent=1))
    else:
        show(card, model)


@app.command(epilog="Example: reelscope evaluate --truth data/samples/truth.json --out out")
def evaluate(
    truth: Annotated[Path, typer.Option("--truth", help="JSON file of what is true of the videos, by file name.")],
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Accuracy against labels: shots, captions, speech, niches."""
    from flows.command import existing
    from tasks.evaluation import evaluate as judge
    from tasks.evaluation import read_truth
    from tasks.tables import Tables

    score = judge(Tables(existing(out)), read_truth(truth))
    if as_json:
        typer.echo(json.dumps(score.figures() | {"misses": score.misses}, indent=1))
        return
    for miss in score.misses:
        say(miss)
    for name, value in score.figures().items():
        typer.echo(f"{name:24}{'-' if value is None else f'{value:.3f}' if isinstance(value, float) else value:>8}")


@app.command(epilog="Example: reelscope cache --older-than 30d --max-size 5GB --dry-run")
def cache(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Remove what was not used for so long: 30d, 12h.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="Remove what was not used for longest until no more is left."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")] = False,
    overrides: Overrides = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Size of the result cache; prunes it by age or size, also while runs use it."""
    from flows.cleaning import age_s, clean, figures, show, size_bytes
    from tasks.cache import ResultCache

    age = age_s(older_than) if older_than is not None else None
    size = size_bytes(max_size) if max_size is not None else None
    kept = ResultCache(settings_of(config, overrides).cache.dir)
    told = figures(kept, clean(kept, age, size, dry_run), dry_run)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
    else:
        show(told)


@app.command(epilog="Example: reelscope doctor")
def doctor(overrides: Overrides = None, config: Config = None, as_json: AsJson = False) -> None:
    """Check decoder, models and weights, GPU, Prefect server and free disk, and say what to do."""
    from flows.doctor import examine, show

    findings = examine(settings_of(config, overrides))
    if as_json:
        typer.echo(json.dumps([finding.__dict__ for finding in findings], indent=1))
    else:
        show(findings)
    raise typer.Exit(0 if all(finding.state != "broken" for finding in findings) else 1)


#: Options that are short for a setting.
SHORT = {
    "niches": "classification.niches",
    "model": "classification.model",
    "corrections": "classification.corrections",
    "workers": "pools.workers",
    "ocr": "text.engine",
    "speech": "speech.engine",
    "batch_size": "pools.batch_size",
    "runner": "pools.runner",
}


def settings_of(config: Path | None, overrides: list[str] | None, **short: Any) -> Settings:
    """Settings from a file, the environment, --set and the options that are short for a setting. Raises UsageError."""
    values: dict[str, Any] = {SHORT[name]: str(value) for name, value in short.items() if value is not None}
    for item in overrides or []:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--set {item}: section.key=value was expected, e.g. --set text.min_confidence=0.7")
        values[key.strip()] = listed(key.strip(), value)
    return load_settings(config, values)


def listed(key: str, value: str) -> str | list[str]:
    """Settings that hold several words are written with commas."""
    section, _, name = key.partition(".")
    field = Settings.model_fields.get(section)
    model = field.annotation if field else None
    known = getattr(model, "model_fields", {}).get(name)
    several = known is not None and "tuple" in str(known.annotation)
    return [word.strip() for word in value.split(",") if word.strip()] if several else value


#: What typer raises for a wrong option or argument; it shows only the last of this family by name.
UsageMistake: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """The console script: a user's mistake is one line on stderr and exit code 2, never a traceback."""
    command = typer.main.get_command(app)
    keep_others_out()
    try:
        code = command.main(prog_name="reelscope", standalone_mode=False)
    except UsageMistake as error:
        fail(f"{error.format_message()} See reelscope --help.")
    except UsageError as error:
        fail(error.message)
    except ReelscopeError as error:
        fail(f"{error.message.rstrip('.')}. {error.advice}", 2 if isinstance(error, EngineError) else 1)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def fail(words: str, code: int = 2) -> None:
    print(f"reelscope: {shown(' '.join(words.split()))}", file=sys.stderr)
    sys.exit(code)
