#!/usr/bin/env python3
"""What other work beside it costs a command: two trainings at once against one alone, an index beside two busy loops, a search
beside one.  Figures, no verdict.  Needs an idle machine."""

import os
import statistics
import subprocess
import sys
import time

from support import Table, finish, main, remove, start


def seconds(commands):
    """Wall time until all of the commands, started at once, are done."""
    begin = time.monotonic()
    for process, command in [(start(command), command) for command in commands]:
        result = finish(process, 600)
        if result.code != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit {result.code}: {result.err}")
    return time.monotonic() - begin


class Busy:
    """So many endless loops beside."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(self.count)]

    def __exit__(self, *_):
        for loop in self.loops:
            loop.kill()
            loop.wait()


def body(programs, world, work, arguments):
    table = Table(f"neighbours: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}, median of {arguments.repeats}")

    def train(name):
        return [programs.workshop, "train", "--config", world / "tiny.json", "--data", world / "dataset", "--set",
                "steps=300", "--set", "batch=8", "--overwrite", "--out", work / name]

    def index(name):
        return [programs.edge, "index", "--plan", world / "plan", "--images", world / "images", "--out", work / name]

    search = [programs.edge, "search", "--plan", world / "plan", "--gallery", world / "gallery", "--texts",
              world / "texts.txt"]

    def measured(make):
        """make(): commands; what they wrote goes each time."""
        times = []
        for _ in range(arguments.repeats):
            times.append(seconds(make()))
            for name in ("a", "b"):
                remove(work / name)
        return statistics.median(times)

    rows = [("train", lambda: [train("a")], [("two at once", 0, lambda: [train("a"), train("b")])]),
            ("index of 1000", lambda: [index("a")], [("beside one busy loop", 1, lambda: [index("a")]),
                                                     ("beside two busy loops", 2, lambda: [index("a")])]),
            ("search for 1000 texts", lambda: [search], [("beside one busy loop", 1, lambda: [search])])]
    for policy in (None, "passive", "active"):
        os.environ.pop("OMP_WAIT_POLICY", None)
        if policy is not None:
            os.environ["OMP_WAIT_POLICY"] = policy
        said = f"OMP_WAIT_POLICY={policy}" if policy else "as it comes"
        for name, alone, others in rows:
            base = measured(alone)
            table.row(f"{name}, alone, {said}", None, f"{base:.2f} s")
            for what, loops, make in others:
                with Busy(loops):
                    beside = measured(make)
                table.row(f"{name}, {what}, {said}", None, f"{beside:.2f} s, {beside / base:.1f} times")
    return table.end()


def options(parser):
    parser.add_argument("--repeats", type=int, default=5)


if __name__ == "__main__":
    sys.exit(main(__doc__, body, options))
