#!/usr/bin/env python3
"""Two processes write one output at the same time: the second says so in one line at its start and exits 2, the output is
the first's, whole.  The same for two that are both process 1 of a namespace of their own (containers), for another user,
and after one was killed: the next run succeeds and leaves no other file."""

import os
import re
import signal
import sys
import time

from support import Table, finish, main, names, remove, run, shown, start, strays

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
AT_ITS_START_S = 5  # LibTorch alone takes a second to load, more beside other work


def begun(process, folder, seconds=3):
    """Waits until the process has put something into `folder`, or for so long; False if it ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None and not names(folder):
        time.sleep(0.005)
    return process.poll() is None


def children(pid):
    path = f"/proc/{pid}/task/{pid}/children"
    return [int(word) for word in open(path).read().split()] if os.path.exists(path) else []


def send(process, number):
    """A signal to the command itself, which may stand behind unshare."""
    for pid in children(process.pid) or [process.pid]:
        os.kill(pid, number)


def end_now(process):
    send(process, signal.SIGKILL)
    finish(process)


class Contest:
    """first(out), second(out): commands on one output; good(out): what is wrong with it, "" if nothing."""

    def __init__(self, name, folder, first, second, good):
        self.name, self.folder, self.first, self.second, self.good = name, folder, first, second, good

    def begin(self, wrap):
        remove(self.folder)
        self.folder.mkdir()
        self.folder.chmod(0o777)  # another user may be the second
        out = self.folder / "out"
        process = start([*wrap, *self.first(out)])
        return out, process, begun(process, self.folder)

    def at_once(self, table, wrap, suffix, second_wrap=None):
        out, process, running = self.begin(wrap)
        if not running:
            result = finish(process)
            return table.row(self.name + suffix, False, f"the first does not begin: exit {result.code} {result.message()}")
        send(process, signal.SIGSTOP)  # it is at its work, however fast the machine is
        second = run([*(wrap if second_wrap is None else second_wrap), *self.second(out)])
        send(process, signal.SIGCONT)
        still = "" if process.poll() is None else ", after the first's end"
        first = finish(process)
        faults = []
        if second.code != 2 or not second.one_line() or not re.search("process|being written|in use", second.message()):
            faults.append(f"the second: exit {second.code} after {second.seconds:.1f} s{still}: {second.message()}")
        elif second.seconds > AT_ITS_START_S:
            faults.append(f"the second says so after {second.seconds:.1f} s")
        if first.code != 0:
            faults.append(f"the first: exit {first.code}: {first.message()}")
        elif self.good(out):
            faults.append(self.good(out))
        after = strays(self.folder, ["out"])
        if after:
            faults.append(f"leaves {after}")
        table.row(self.name + suffix, not faults, shown("; ".join(faults) or second.message(), 230))

    def after_a_kill(self, table, wrap, suffix):
        """The next run, and the one after it (which has the same process number in a namespace of its own)."""
        out, process, running = self.begin(wrap)
        end_now(process)
        left = strays(self.folder, ["out"])
        faults = [] if running else ["the first does not begin"]
        result = run([*wrap, *self.second(out)])
        if result.code != 0:
            faults.append(f"next run: exit {result.code}: {result.message()}")
        after = strays(self.folder, ["out"])
        if after:
            faults.append(f"leaves {after}")
        table.row(f"{self.name}{suffix}, the first killed", not faults, shown("; ".join(faults) or f"swept {left}", 230))


def crowd(table, programs, folder, kind, rounds=12, size=8):
    """Many at once, again and again: each is done or refused, and what is left is one of the written, whole."""
    faults, done = [], 0
    overwrite = programs.overwrite(programs.probe, "write")
    for r in range(rounds):
        remove(folder)
        folder.mkdir()
        out = folder / "out"
        processes = [start([programs.probe, "write", "--kind", kind, "--out", out, "--text", f"text{i}", *overwrite])
                     for i in range(size)]
        results = [finish(process) for process in processes]
        done += sum(result.code == 0 for result in results)
        for result in results:
            if result.code not in (0, 2):
                faults.append(f"exit {result.code}: {result.message()}")
        written = out / "a.txt" if kind == "folder" else out
        lines = set(written.read_text().split()) if written.exists() else set()
        if len(lines) != 1:
            faults.append(f"round {r}: output holds {sorted(lines)}")
        if strays(folder, ["out"]):
            faults.append(f"round {r}: leaves {strays(folder, ['out'])}")
    table.row(f"{size} at once on one {kind}, {rounds} times", not faults and done > 0,
              f"{done} written; {shown('; '.join(faults), 200)}")


def opens(programs, path):
    """What is wrong with an artifact, "" if nothing."""
    result = run([programs.edge, "inspect", path])
    return "" if result.code == 0 else f"not whole: {result.message()}"


def contests(programs, world, work):
    probe, edge, workshop = programs.probe, programs.edge, programs.workshop

    def probe_contest(kind):
        overwrite = programs.overwrite(probe, "write")

        def write(text, hold):
            return lambda out: [probe, "write", "--kind", kind, "--out", out, "--text", text, "--hold-s", hold, *overwrite]

        def good(out):
            path = out / "a.txt" if kind == "folder" else out
            return "" if set(path.read_text().split()) == {"first"} else "the output is not the first's"

        return Contest(f"{kind}", work / kind, write("first", "2"), write("second", "0"), good)

    yield probe_contest("file")
    yield probe_contest("folder")

    def index(out):
        return [edge, "index", "--plan", world / "plan", "--images", world / "long.txt", "--out", out]

    def synthesize(out):
        return [workshop, "synthesize", "--out", out, "--people", "1500", "--test-people", "20", "--val-people", "20"]

    def prepare(out):
        return [workshop, "prepare", "--annotations", world / "images.json", "--images", world / "images", "--out", out,
                "--tokenizer", "train:400"]

    def train(out):
        return [workshop, "train", "--config", world / "tiny.json", "--data", world / "dataset", "--out", out, "--set",
                "steps=400"]

    for name, command in (("index", index), ("synthesize", synthesize), ("prepare", prepare), ("train", train)):
        if command is index or workshop.exists():
            # A killed training leaves a run, which is replaced only when that is asked for.
            again = programs.overwrite(workshop, "train") if command is train else []
            yield Contest(name, work / name, command, lambda out: [*command(out), *again],
                          lambda out: opens(programs, out))


def other_user(table, programs, work):
    """A second user, who may write into the folder but not into the first's files."""
    name = "folder, the second of another user"
    if os.getuid() != 0:
        return table.row(name, None, "not root: skipped")
    as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if run([*as_nobody, programs.probe, "--version"]).code != 0:
        return table.row(name, None, "the programs cannot be run by another user: skipped")
    os.chmod(work.parent, 0o755)
    os.chmod(work, 0o755)
    contest = next(c for c in contests(programs, None, work) if c.name == "folder")
    contest.at_once(table, [], ", the second of another user", as_nobody)


def body(programs, world, work, arguments):
    table = Table("two_writers: two processes on one output")
    can_unshare = run([*NAMESPACE, "true"]).code == 0
    for contest in contests(programs, world, work):
        contest.at_once(table, [], "")
        contest.after_a_kill(table, [], "")
        if can_unshare:
            contest.at_once(table, NAMESPACE, ", both process 1")
            contest.after_a_kill(table, NAMESPACE, ", both process 1")
    if not can_unshare:
        table.row("process 1 of two namespaces", None, "no right to unshare: skipped")
    other_user(table, programs, work)
    for kind in ("file", "folder"):
        crowd(table, programs, work / "crowd", kind)
    return table.end()


if __name__ == "__main__":
    sys.exit(main(__doc__, body))
