#!/usr/bin/env python3
"""Kills the replacing of an output at every system call it makes, and lets every call fail once with ENOSPC and once with
EIO.  Afterwards: the old or the new output, whole; exit 4 for a failure (or 0, and then the new output, where the failure
does no harm); the next run succeeds and leaves no other file."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

from support import Table, contents, main, names, place, remove, run, shown, strays
from tracing import NO_INPUT_OR_OUTPUT, between, injected, sample, trace

BEGINS, ENDS = "/edgeclip-replace-begins", "/edgeclip-replace-ends"


class Replacement:
    """What is replaced, and how.  write(out, text): the command; opens(out): the command that opens the output, or None."""

    def __init__(self, name, write, opens=None, begins=None, ends=None):
        self.name, self.write, self.opens, self.begins, self.ends = name, write, opens, begins, ends
        self.known = {}

    def learn(self, folder):
        """The contents that each text makes, from runs into fresh places."""
        for text in ("old", "new", "next"):
            out = folder / self.name.replace(" ", "-") / text / "out"
            out.parent.mkdir(parents=True)
            result = run(self.write(out, text))
            if result.code != 0:
                sys.exit(f"{self.name}: {' '.join(map(str, self.write(out, text)))}: exit {result.code}: {result.err}")
            self.known[text] = out

    def state(self, out):
        found = contents(out)
        if not out.exists():
            return "absent"
        return next((text for text, place_ in self.known.items() if contents(place_) == found), "mixed")


class Point:
    """One run with one call killed or failing, in a folder of its own; faults: what was not as it must be."""

    def __init__(self, replacement, folder, old):
        self.replacement, self.folder, self.old, self.faults = replacement, folder, old, []
        self.out = folder / "out"

    def begin(self):
        self.folder.mkdir(parents=True)
        if self.old:
            place(self.replacement.known["old"], self.out)

    def expect(self, good, fault):
        if not good:
            self.faults.append(fault)
        return good

    def whole(self):
        before = "old" if self.old else "absent"
        state = self.replacement.state(self.out)
        self.expect(state in (before, "new"), f"output {state}")
        return state

    def opened(self):
        """Opening brings back what a kill between two renames left aside."""
        if self.replacement.opens is not None and (self.old or self.out.exists()):
            result = run(self.replacement.opens(self.out))
            self.expect(result.code == 0, f"cannot be opened: {result.code} {result.message()}")

    def next_run(self):
        result = run(self.replacement.write(self.out, "next"))
        self.expect(result.code == 0, f"next run: exit {result.code} {result.message()}")
        self.expect(self.replacement.state(self.out) == "next", f"next run leaves {self.replacement.state(self.out)}")
        left = strays(self.folder, ["out"])
        self.expect(not left, f"next run leaves {left}")

    def end(self):
        remove(self.folder)
        return self.faults


def killed(replacement, folder, old, call, others=()):
    point = Point(replacement, folder, old)
    point.begin()
    result, reached = injected(replacement.write(point.out, "new"), call, "signal=KILL", others)
    if point.expect(reached, "call not reached") and point.expect(result.code in (-9, 137), f"exit {result.code}"):
        if others:
            point.opened()  # only then it need be there
            point.whole()
        else:
            point.whole()
            point.opened()
        point.next_run()
    return point.end()


def failed(replacement, folder, old, call, error, clean_up):
    point = Point(replacement, folder, old)
    point.begin()
    result, reached = injected(replacement.write(point.out, "new"), call, f"error={error}")
    if point.expect(reached, "call not reached"):
        point.expect(result.code in (0, 4), f"exit {result.code}: {result.message()}")
        point.expect(result.code == 0 or result.one_line(), f"not one line: {result.err}")
        state = point.whole()
        point.expect(result.code != 0 or state == "new", f"exit 0, but output {state}")
        if not clean_up:
            left = strays(point.folder, ["out"])
            point.expect(not left, f"leaves {left}")
        point.next_run()
    return point.end()


def swap_index(calls, out):
    """Of the call that puts the output in its place: what fails after it can only be the clean-up."""
    for i, call in enumerate(calls):
        if call.name in ("rename", "renameat", "renameat2", "link", "linkat") and f'{out}"' in call.text:
            return i
    return len(calls)


def report(table, name, calls, results):
    """One row for all the calls; below it each kind of fault, how often, and the first call that shows it."""
    bad = [(call, faults) for call, faults in zip(calls, results) if faults]
    table.row(name, not bad, f"{len(calls)} calls, {len(bad)} with a fault")
    kinds = {}
    for call, faults in bad:
        for fault in faults:
            kinds.setdefault(re.sub(r"/\S+/|\d{2,}|(KILLED|ENOSPC|EIO)-\d+", "…", fault), []).append((call, fault))
    for found in sorted(kinds.values(), key=len, reverse=True)[:8]:
        call, fault = found[0]
        print(f"       {len(found):4} × {shown(fault, 130)}; first at {call}({shown(call.text, 70)}")


def calls_of(replacement, folder, old, others=()):
    point = Point(replacement, folder, old)
    point.begin()
    calls, result = trace(replacement.write(point.out, "new"), others)
    if result.code != 0:
        print(f"       {replacement.name}: exit {result.code}: {result.message()}")
        return None, point.out
    found = between(calls, replacement.begins or str(folder), replacement.ends)
    remove(folder)
    return found, point.out


def attack(table, replacement, work, pool, old, limit):
    """Every call (or `limit` of them) killed; failing with ENOSPC; with EIO."""
    what = f"{replacement.name}, {'an older one there' if old else 'nothing there'}"
    calls, out = calls_of(replacement, work / "traced", old)
    if not calls:
        return table.row(what, False, "cannot be traced")
    swap = swap_index(calls, out)

    def each(kind, chosen, one):
        places = [work / f"{kind}-{i}" for i in range(len(chosen))]
        report(table, f"{what}: {kind}", chosen, list(pool.map(one, places, chosen)))

    each("killed", sample(calls, limit), lambda at, call: killed(replacement, at, old, call))
    failing = [call for call in calls if call.name not in NO_INPUT_OR_OUTPUT]
    for error in ("ENOSPC", "EIO"):
        each(error, sample(failing, limit),
             lambda at, call: failed(replacement, at, old, call, error, calls.index(call) >= swap))


def attack_without_exchange(table, replacement, work, pool):
    """On a file system that cannot exchange two names."""
    others = ["renameat2:error=EINVAL"]
    what = f"{replacement.name}, no RENAME_EXCHANGE"
    calls, _ = calls_of(replacement, work / "traced", True, others)
    if not calls:
        return table.row(what, False, "cannot be replaced")
    chosen = [call for call in calls if call.name != "renameat2"]
    places = [work / f"no-exchange-{i}" for i in range(len(chosen))]
    report(table, f"{what}: killed", chosen,
           list(pool.map(lambda at, call: killed(replacement, at, True, call, others), places, chosen)))


def flushed(table, replacement, work, files):
    """What is on the disk before the output gets its name, and its name after: files and folders by their last name."""
    calls, out = calls_of(replacement, work / "traced", True)
    if not calls:
        return table.row(f"{replacement.name}: flushed", False, "cannot be traced")
    swap = swap_index(calls, out)
    before, after = [], []
    for i, call in enumerate(calls):
        if call.name in ("fsync", "fdatasync", "syncfs") and "<" in call.text:
            path = call.text[call.text.index("<") + 1:call.text.index(">")]
            (before if i < swap else after).append(path)
            if call.name == "syncfs" and i < swap:
                before += files  # all that is written by then
    lacking = [name for name in files if not any(name in os.path.basename(path) for path in before)]
    if not any(os.path.dirname(path) == str(out.parent) for path in before):
        lacking.append("the temporary entry")
    if str(out.parent) not in after:
        lacking.append("the parent afterwards")
    table.row(f"{replacement.name}: flushed to the disk", not lacking, f"not flushed: {', '.join(lacking)}" if lacking else "")


def real_commands(programs, world):
    edge = programs.edge
    build = programs.overwrite(edge, "build")
    length = {"old": "16", "new": "24", "next": "32"}
    batches = {"old": "1,4", "new": "1,8", "next": "1,2"}
    top = {"old": "3", "new": "5", "next": "7"}
    search = [edge, "search", "--plan", world / "plan", "--gallery", world / "gallery", "--text", "a man in red"]
    tokenize = [edge, "tokenize", "--tokenizer", world / "dataset/tokenizer"]
    # Single-threaded, so that the same call is the same in every run.
    yield Replacement("tokenize --out", lambda out, text: [
        *tokenize, "--input", world / "texts.txt", "--out", out, "--context-length", length[text], "--threads", "1"])
    yield Replacement("search --csv", lambda out, text: [*search, "--csv", out, "--top", top[text], "--threads", "1"])
    yield Replacement("tokenize --json", lambda out, text: [*tokenize, "--text", text, "--json", out, "--threads", "1"])
    yield Replacement("build --out", lambda out, text: [edge, "build", "--bundle", world / "bundle", "--batches",
                                                        batches[text], "--out", out, "--threads", "1", *build],
                      lambda out: [edge, "inspect", out])


def body(programs, world, work, arguments):
    table = Table("atomic_faults: killed or failing at every system call of a replacement")
    probe = programs.probe
    if not probe.exists():
        sys.exit(f"{probe}: is not there; build the target replace_probe, or name it in EDGECLIP_REPLACE_PROBE")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for kind, files in (("file", []), ("folder", ["a.txt", "b.txt", "probe.json", "tokenizer"]),
                            ("folder-at-once", ["a.txt", "b.txt", "probe.json", "tokenizer"])):
            overwrite = programs.overwrite(probe, "write")
            replacement = Replacement(
                kind, lambda out, text: [probe, "write", "--kind", kind, "--out", out, "--text", text, *overwrite],
                None if kind == "file" else lambda out: [probe, "open", "--folder", out], BEGINS, ENDS)
            replacement.learn(work / "known")
            flushed(table, replacement, work, files)
            for old in (True, False):
                attack(table, replacement, work, pool, old, 10000)
            if kind != "file":
                attack_without_exchange(table, replacement, work, pool)
        for replacement in real_commands(programs, world):
            replacement.learn(work / "known")
            attack(table, replacement, work, pool, True, arguments.points)
    return table.end()


def options(parser):
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once")
    parser.add_argument("--points", type=int, default=16, help="calls of each real command that are killed or fail")


if __name__ == "__main__":
    sys.exit(main(__doc__, body, options))
