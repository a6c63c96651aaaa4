#!/usr/bin/env python3
"""Indexing, adding, compacting and merging, killed at random moments (SIGKILL) and run again, end with the gallery of a run that was left
alone, item for item; who searches all the while sees whole generations."""

import csv
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from support import Table, main, remove, run, shown

TIMES = 20


def body(programs, world, work, arguments):
    table = Table("galleries that are killed")
    edge, w = programs.edge, world
    random.seed(arguments.seed)

    def index(images, out):
        return [edge, "index", "--plan", w / "plan", "--images", w / images, "--out", out, "--quiet"]

    def gallery(action, out, *more):
        return [edge, "gallery", action, "--gallery", out, *more, "--quiet"]

    def items(out):
        """{path of the table's row: (its number, its other columns, its embedding's bytes)}"""
        folder = work / "table"
        result = run([*gallery("export", out, "--out", folder), "--overwrite"])
        assert result.code == 0, result.err
        raw = (folder / "embeddings.npy").read_bytes()
        with (folder / "items.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        width = (len(raw) - 128) // max(1, len(rows)) if rows else 0
        start = len(raw) - width * len(rows)
        return [(tuple(row.values()), raw[start + k * width:start + (k + 1) * width]) for k, row in enumerate(rows)]

    def alone(command):
        began = time.monotonic()
        result = run(command)
        assert result.code == 0, result.err
        return time.monotonic() - began

    class Searching:
        """Searches and verifies all the while."""
        def __init__(self, out):
            self.out, self.faults, self.searches = out, [], 0
            self.ending = threading.Event()
            self.thread = threading.Thread(target=self.search)

        def search(self):
            while not self.ending.is_set():
                if not (self.out / "gallery.json").exists():
                    continue
                result = run([edge, "search", "--plan", w / "plan", "--gallery", self.out, "--text", "a man in red", "--top", "3", "--json", "-",
                              "--quiet"])
                self.searches += 1
                if result.code != 0:
                    self.faults.append(shown(result.err))
                verified = run(gallery("verify", self.out))
                if verified.code != 0:
                    self.faults.append(shown(verified.err))

        def __enter__(self):
            self.thread.start()
            return self

        def __exit__(self, *_):
            self.ending.set()
            self.thread.join()

    def killed(command, seconds, kills):
        """Starts it, kills it at a random moment, so often; then lets it end."""
        for _ in range(kills):
            process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 1.1 * seconds))
            process.send_signal(signal.SIGKILL)
            process.wait()
        return run(command)

    whole = work / "whole"
    seconds = alone(index("long.txt", whole))
    expected = items(whole)
    table.row("a list that is indexed in one go", len(expected) == 4000, f"{seconds:.1f} s")

    faults, searches = [], 0
    for k in range(arguments.times):
        out = work / "out"
        remove(out)
        with Searching(out) as reader:
            result = killed(index("long.txt", out), seconds, 1 + k % 3)
        faults += reader.faults
        searches += reader.searches
        if result.code != 0 or items(out) != expected:
            faults.append(f"{k}: {shown(result.err)}")
    table.row(f"indexing, killed {arguments.times} times and run again", not faults, "; ".join(faults[:3]) or f"{searches} searches meanwhile")

    base = work / "base"
    alone(index("images", base))
    more = work / "more"
    shutil.copytree(base, more)
    seconds = alone(index("images1", more))
    expected, faults = items(more), []
    for k in range(arguments.times):
        out = work / "out"
        remove(out)
        shutil.copytree(base, out)
        with Searching(out) as reader:
            result = killed(index("images1", out), seconds, 1 + k % 3)
        faults += reader.faults
        if result.code != 0 or items(out) != expected:
            faults.append(f"{k}: {shown(result.err)}")
    table.row("adding another folder, likewise", not faults, "; ".join(faults[:3]))

    other, faults = work / "other", []
    seconds = alone(index("images", other)) + alone([*index("images2", other), "--overwrite"])
    wanted = {row[1:] + (data,) for row, data in items(other)}
    for k in range(arguments.times):
        out = work / "out"
        remove(out)
        shutil.copytree(base, out)
        with Searching(out) as reader:
            result = killed([*index("images2", out), "--overwrite"], seconds / 2, 1 + k % 3)
        faults += reader.faults
        if result.code != 0 or {row[1:] + (data,) for row, data in items(out)} != wanted or list(work.glob(".out.*")):
            faults.append(f"{k}: {shown(result.err)}")
    table.row("replacing it with another folder's, likewise", not faults, "; ".join(faults[:3]))

    copied, faults = work / "copied", []
    run([*gallery("export", base, "--out", work / "given")])
    adding = lambda out: gallery("add", out, "--embeddings", work / "given/embeddings.npy", "--table", work / "given/items.csv")
    alone(index("images2", copied))
    second = work / "second"
    shutil.copytree(copied, second)
    seconds = alone(adding(second))
    expected = items(second)
    for k in range(arguments.times):
        out = work / "out"
        remove(out)
        shutil.copytree(copied, out)
        result = killed(adding(out), seconds, 1 + k % 3)
        found = [(row[1:], data) for row, data in items(out)]
        if result.code != 0 or found != [(row[1:], data) for row, data in expected]:
            faults.append(f"{k}: {len(found)} items, {shown(result.err)}")
    table.row("adding embeddings of others, likewise", not faults, "; ".join(faults[:3]))

    run(gallery("remove", more, *[part for k in range(0, 1000, 7) for part in ("--item", str(k))]))
    small = work / "small"
    shutil.copytree(more, small)
    seconds = alone(gallery("compact", small))
    expected, faults = items(small), []
    if expected != items(more):
        faults.append("compacting changes items")
    for k in range(arguments.times):
        out = work / "out"
        remove(out)
        shutil.copytree(more, out)
        with Searching(out) as reader:
            result = killed(gallery("compact", out), seconds, 1)
        faults += reader.faults
        if result.code != 0 or items(out) != expected or len(list((out / "segments").iterdir())) != 1:
            faults.append(f"{k}: {shown(result.err)}")
    table.row("compacting, likewise", not faults, "; ".join(faults[:3]))

    merged, apart = work / "merged", work / "apart"
    alone(index("images3", apart))
    shutil.copytree(base, merged)
    seconds = alone(gallery("merge", merged, "--from", apart))
    before, after, faults = items(base), items(merged), []
    for k in range(arguments.times):
        out = work / "out"
        remove(out)
        shutil.copytree(base, out)
        command = gallery("merge", out, "--from", apart)
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 1.1 * seconds))
        process.kill()
        process.wait()
        found = items(out)
        if found not in (before, after):
            faults.append(f"{k}: neither merged nor not")
        elif run(command).code != (0 if found == before else 2) or items(out) != after:
            faults.append(f"{k}: merged again, it is something else")
    table.row("merging, killed, is done or not", not faults, "; ".join(faults[:3]))
    return table.end()


if __name__ == "__main__":
    def options(parser):
        parser.add_argument("--times", type=int, default=TIMES)
        parser.add_argument("--seed", type=int, default=1)
    sys.exit(main(__doc__, body, options))
