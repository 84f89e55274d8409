"""Three questions that people ask of an OUT, answered with DuckDB over its tables.

    python data/questions.py out [--niche cooking]

Which ways of being built go with more views than their niche has, and how sure is that? What is new, gone, growing or
shrinking since the run before? Which openings do the videos have that do better than their niche? Each answer is one
query below; copy what you need.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb

#: Ways of being built (clusters) and single features whose lift the data can carry, the largest first.
WHAT_WORKS = """
with said as (
    select niche, 'cluster ' || cluster_id || ': ' || label as built, view_lift as lift, view_lift_low as low,
           view_lift_high as high, view_lift_videos as videos, view_lift_uploaders as uploaders
    from {clusters} where scope = 'niche' and change <> 'vanished'
    union all
    select niche, feature || ' ' || round(low, 2) || ' -> ' || round(high, 2), lift, lift_low, lift_high, videos, uploaders
    from {lifts} where scope = 'niche' and metric = 'view'
)
select niche, built, round(lift, 2) as times_the_views, round(low, 2) as at_least, round(high, 2) as at_most,
       videos, uploaders
from said where lift is not null and {asked} order by lift desc, built
"""

#: What the last run's analysis found changed against the one before, with the cluster's share of its niche in both.
WHAT_CHANGED = """
with nights as (select run_id, row_number() over (order by run_id desc) as night from (select distinct run_id from {trends})),
     last as (select t.* from {trends} t join nights using (run_id) where night = 1 and scope = 'niche'),
     before as (select t.* from {trends} t join nights using (run_id) where night = 2 and scope = 'niche')
select coalesce(last.niche, before.niche) as niche, cluster_id,
       coalesce(c.label, '(its description went with it)') as built,
       case when before.cluster_id is null then coalesce(last.change, 'new') when last.cluster_id is null then 'gone'
            else coalesce(last.change, 'kept') end as change,
       before.size as videos_before, last.size as videos_now,
       round(100.0 * last.size / last.group_videos - 100.0 * before.size / before.group_videos, 1) as share_points
from last full join before using (cluster_id) left join {clusters} c using (cluster_id)
where {asked_niche} order by (last.size is null or before.size is null) desc, abs(share_points) desc, cluster_id
"""

#: How videos open, by how they do: views a day against the median of the niche, among videos whose views are known. at_least:
#: the lower end of the 95 % interval of the share (Wilson 1927), low where few videos stand behind it.
WHICH_HOOK = """
with videos as (
    select t.niche, t.video_id,
           v.view_count / greatest(date_diff('day', v.published_at, r.started_at), 1) as views_a_day,
           case when t.speech_share is null then 'voice unknown' when t.first_word_s < 1 then 'voice at once' when t.first_word_s < 3 then 'voice in 3 s'
                else 'no voice in 3 s' end as voice,
           case when t.text_share is null then 'text unknown' when t.first_text_s < 1 then 'text at once' when t.first_text_s < 3 then 'text in 3 s'
                else 'no text in 3 s' end as text,
           case when t.first_cut_s < 3 then 'cut in 3 s' else 'no cut in 3 s' end as cut
    from {templates} t join {videos} v using (video_id) join {runs} r on v.run_id = r.run_id
    where v.view_count is not null and v.published_at is not null and t.duration_s is not null
), judged as (
    select *, views_a_day > median(views_a_day) over (partition by niche) as works, count(*) over (partition by niche) as there
    from videos
), counted as (
    select niche, voice || ', ' || text || ', ' || cut as opening, count(*) as n, sum(works::int) as above, above / n as p
    from judged where there >= 2 and {asked} group by niche, opening
)
select niche, opening, n as videos, above as above_the_median, round(p, 2) as share_above,
       greatest(0, round((p + 1.92 / n - 1.96 * sqrt(p * (1 - p) / n + 0.96 / n ** 2)) / (1 + 3.84 / n), 2)) as at_least
from counted order by niche, at_least desc, videos desc, opening
"""

QUESTIONS = {
    "Which ways of being built go with more views than their niche has? (interval; nothing is claimed without evidence)": WHAT_WORKS,
    "What is new, gone, growing or shrinking since the run before?": WHAT_CHANGED,
    "Which openings do the videos have that do better than the median of their niche?": WHICH_HOOK,
}
TABLES = ("videos", "templates", "clusters", "lifts", "trends", "runs")


def ask(out: Path, question: str, niche: str | None = None) -> duckdb.DuckDBPyRelation:
    """The answer to one of the queries above. niche: of this niche alone."""
    tables = {name: f"read_parquet('{str(out).replace(chr(39), chr(39) * 2)}/{name}/*.parquet')" for name in TABLES}
    word = niche.replace("'", "''") if niche is not None else None
    asked = {
        "asked": f"niche = '{word}'" if word is not None else "true",
        "asked_niche": f"coalesce(last.niche, before.niche) = '{word}'" if word is not None else "true",
    }
    return duckdb.sql(question.format(**tables, **asked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="OUT of reelscope run")
    parser.add_argument("--niche", help="of this niche alone")
    given = parser.parse_args()
    if not (given.out / "templates").is_dir():
        parser.error(f"{given.out}: no tables of reelscope; reelscope run SOURCE --out {given.out} makes them")
    for title, question in QUESTIONS.items():
        print(f"\n{title}\n")
        answer = ask(given.out, question, given.niche)
        rows = answer.fetchall()
        print(table(answer.columns, rows) if rows else "nothing that these tables can say yet")


def table(columns: list[str], rows: list[tuple[object, ...]], most: int = 20) -> str:
    """The first rows as aligned text."""
    cells = [columns, *([("-" if value is None else str(value))[:60] for value in row] for row in rows[:most])]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([*lines, *([f"... and {len(rows) - most} more"] if len(rows) > most else [])])


if __name__ == "__main__":
    main()
