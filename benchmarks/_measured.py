"""Side by side: ours and a peer in alternation, medians, one table, rows as JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Table:
    """Takes measurements down and prints them; `ratio` above 1 means better than the peer."""

    def __init__(self, description: str, parents: Sequence[argparse.ArgumentParser] = ()) -> None:
        parser = argparse.ArgumentParser(
            description=description, parents=list(parents), formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--json", type=Path, help="write the rows to this file too")
        parser.add_argument("--repeats", type=int, default=9, help="how often each is measured")
        self.options = parser.parse_args()
        self.rows: list[dict[str, Any]] = []

    def seconds(self, *works: Callable[[], object], afterwards: Callable[[], object] = lambda: None) -> list[float]:
        """Return the median time of each, run in alternation after one run that is not counted.

        Each begins a round as often as the others, since what one leaves to the system (a full disk cache) slows down
        the next; what it leaves behind is cleared away ``afterwards``, untimed.
        """
        for work in works:
            work()
            afterwards()
        taken: list[list[float]] = [[] for _ in works]
        for number in range(self.options.repeats):
            for place in range(len(works)):
                which = (number + place) % len(works)
                began = time.perf_counter()
                works[which]()
                taken[which].append(time.perf_counter() - began)
                afterwards()
        return [statistics.median(times) for times in taken]

    def row(
        self,
        what: str,
        unit: str,
        ours: float,
        *,
        goal: float | None = None,
        peer: float | None = None,
        peer_name: str = "",
        peer_where_set: float | None = None,
    ) -> None:
        """Take a figure down; figures per second are better when larger, all others when smaller.

        A goal that was set on another machine is also judged by the peer's figure there, as a ratio to the peer.
        """
        larger = unit.endswith("/s")
        ratio = None if not peer else (ours / peer if larger else peer / ours)
        met = None if goal is None else (ours >= goal if larger else ours <= goal)
        figures = {"ours": ours, "peer": peer, "peer_name": peer_name, "ratio": ratio, "goal": goal, "met": met}
        least = None
        if ratio is not None and goal is not None and peer_where_set is not None:
            least = goal / peer_where_set if larger else peer_where_set / goal
            figures |= {"goal_ratio": least, "goal_ratio_met": ratio >= least}
        self.rows.append({"what": what, "unit": unit, **figures})
        told = f"{what:<62} {ours:>10.3g} {unit:<8}"
        told += f" {peer_name} {peer:.3g}, ratio {ratio:.2f}" if peer and ratio else ""
        told += "" if goal is None else f"  goal {goal:g}: {'met' if met else 'NOT MET'}"
        if least is not None and ratio is not None:
            told += f"; as a ratio where it was set {least:.2f}: {'met' if ratio >= least else 'NOT MET'}"
        print(told, flush=True)

    def finish(self) -> None:
        """Write the rows where they were asked for."""
        if self.options.json:
            self.options.json.write_text(json.dumps(self.rows, indent=1))
