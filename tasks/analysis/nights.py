"""How clusters grew and shrank from run to run, as the report says it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from markupsafe import Markup

from tasks.analysis.material import Material, Row
from tasks.analysis.plots import trend_plot

RUNS_SHOWN = 60
MOVERS_SHOWN = 6


@dataclass(frozen=True)
class Trend:
    """One cluster over the last runs. share: of the videos of its niche, in percent, the last one last."""

    cluster_id: str
    shares: list[float]
    words: str
    gained: float  # percentage points since the run before

    def plot(self) -> Markup | None:
        """None where two numbers say it all."""
        return trend_plot(self.shares, self.words) if len(self.shares) > 2 else None


class Nights:
    """The `trends` table by run. `runs`: ids, the last one last; `since`: when the run before the last was, in words."""

    def __init__(self, material: Material) -> None:
        self.runs = list(dict.fromkeys(row["run_id"] for row in material.trends))[-RUNS_SHOWN:]
        self.since = material.run_moments.get(self.runs[-2], "the run before") if len(self.runs) > 1 else None
        kept = set(self.runs)
        self._rows: dict[str, dict[str, Row]] = defaultdict(dict)
        self._videos: dict[tuple[str, str | None, str], int] = {}
        for row in material.trends:
            if row["run_id"] in kept and row["cluster_id"] is not None:
                self._rows[row["cluster_id"]][row["run_id"]] = row
                self._videos[row["scope"], row["niche"], row["run_id"]] = row["group_videos"] or 0

    def trend(self, cluster: Row) -> Trend | None:
        """None before there are two runs of its niche to compare, and where the cluster was all there was throughout."""
        mine = self._rows.get(cluster["cluster_id"], {})
        if self.since is None or not mine:
            return None
        sizes = [mine[run]["size"] or 0 if run in mine else 0 for run in self.runs]
        group = next(iter(mine.values()))
        videos = [self._videos.get((group["scope"], group["niche"], run), 0) for run in self.runs]
        shares = [100 * size / max(of, 1) for size, of in zip(sizes, videos, strict=True)]
        if not videos[-2] or min(shares) == max(shares) == 100:
            return None
        words = f"{sizes[-1]:,} of {videos[-1]:,} now ({shares[-1]:.0f} %), {sizes[-2]:,} of {videos[-2]:,} in the run before ({shares[-2]:.0f} %)"
        if len(shares) > 2:
            words += f", {shares[0]:.0f} % {len(shares) - 1} runs ago"
        return Trend(cluster["cluster_id"], shares, words, shares[-1] - shares[-2])

    def movers(self, clusters: list[Row]) -> list[tuple[Row, Trend]]:
        """The clusters of before whose share changed most since then, by a percentage point at least."""
        kept = [row for row in clusters if row["change"] != "new"]
        found = [(row, trend) for row in kept if (trend := self.trend(row)) is not None]
        moved = [pair for pair in found if abs(pair[1].gained) >= 1]
        return sorted(moved, key=lambda pair: -abs(pair[1].gained))[:MOVERS_SHOWN]

    def grown(self) -> tuple[int, int] | None:
        """Videos with a template in the run before and now."""
        counts = [
            max((of for (scope, _, run), of in self._videos.items() if (scope, run) == ("all", name)), default=0)
            for name in self.runs[-2:]
        ]
        return (counts[0], counts[1]) if len(counts) == 2 and all(counts) else None
