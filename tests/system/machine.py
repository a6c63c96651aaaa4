#!/usr/bin/env python3
"""The machine's faults told apart from those of files: few descriptors, a full disk, little memory, reads that fail end a
command with one line and exit 4, what was finished kept; images that are broken are counted, listed and left out, and too
many of them are exit 3."""

import json
import os
import re
import resource
import subprocess
import sys
import time

from support import Table, contents, finish, main, names, place, remove, run, shown, start, strays


def report_of(path):
    return json.loads(path.read_text()) if path.exists() else {}


def machine_fault(result):
    """What is not as it must be, "" if nothing."""
    if result.code != 4:
        return f"exit {result.code}: {result.message()}"
    return "" if result.one_line() else f"not one line: {result.err}"


class World:
    """Commands on the thousand images, each into a folder of its own."""

    def __init__(self, programs, world, work):
        self.programs, self.world, self.work = programs, world, work
        self.edge, self.workshop = programs.edge, programs.workshop

    def index(self, out, images=None, *more):
        return [self.edge, "index", "--plan", self.world / "plan", "--images", images or self.world / "images", "--out", out,
                *more]

    def prepare(self, out, images=None, *more):
        return [self.workshop, "prepare", "--annotations", self.world / "images.json", "--images",
                images or self.world / "images", "--out", out, "--tokenizer", "train:400", *more]

    def train(self, out, data=None, *more):
        return [self.workshop, "train", "--config", self.world / "tiny.json", "--data", data or self.world / "dataset",
                "--out", out, *more]

    def gallery(self, out):
        """(items, complete), or what is wrong."""
        result = run([self.edge, "gallery", "verify", "--gallery", out])
        if result.code != 0:
            return f"not whole: {result.message()}"
        head = json.loads((out / "gallery.json").read_text())
        return head["count"], head["complete"]

    def prepared(self):
        """A dataset of the thousand images, made once."""
        out = self.work / "prepared"
        if not out.exists():
            result = run(self.prepare(out))
            assert result.code == 0, result.err
        return out


def fresh(folder):
    remove(folder)
    folder.mkdir()
    return folder / "out"


def few_descriptors(table, world, work):
    """From the fewest with which a program starts, one more each time: all is read, or the machine is named."""
    data = world.prepared()
    cases = [("index", world.edge, lambda out: world.index(out, None, "--producers", "32")),
             ("prepare", world.workshop, lambda out: world.prepare(out, None, "--threads", "8")),
             ("train, corrupt images left out", world.workshop, lambda out: world.train(
                 out, data, "--set", "loading.on_corrupt=skip", "--set", "loading.threads=8", "--threads", "8")),
             ("encode", world.edge, lambda out: [world.edge, "encode", "--plan", world.world / "plan", "--images",
                                                 world.world / "images", "--out", out])]
    for name, program, command in cases:
        def limited(number):
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))

        lowest = next(n for n in range(3, 64) if run([program, "--version"], preexec=limited(n)).code == 0)
        faults, codes = [], []
        for number in range(lowest, lowest + 14):
            out = fresh(work / "descriptors")
            result = run([*command(out), "--json", work / "descriptors.json"], preexec=limited(number))
            codes.append(result.code)
            done = report_of(work / "descriptors.json") if result.code == 0 else {}
            lost = done.get("failed") or done.get("unusable_records") or done.get("corrupt_images")
            remove(work / "descriptors.json")
            if result.code not in (0, 4):
                faults.append(f"{number}: exit {result.code}: {result.message() or result.err}")
            elif result.code == 4 and not result.one_line():
                faults.append(f"{number}: not one line: {result.err}")
            elif result.code == 0 and lost:
                faults.append(f"{number}: exit 0 with {lost} left out")
            elif result.code == 4 and name == "index" and out.exists() and world.gallery(out)[1] is not False:
                faults.append(f"{number}: exit 4, but the gallery is {world.gallery(out)}")
            if strays(work / "descriptors", ["out"]):
                faults.append(f"{number}: leaves {strays(work / 'descriptors', ['out'])}")
        table.row(f"{name} with {lowest} to {lowest + 13} descriptors", not faults,
                  shown(f"exits {' '.join(map(str, codes))}; {len(faults)} faults{': ' if faults else ''}{'; '.join(faults[:2])}", 330))


def failing_reads(table, world, work):
    """One image of the thousand cannot be read: a fault of the machine, but for a file that is not there or not ours to read."""
    data = world.prepared()
    victim = world.world / "images/0500.png"
    cases = [("index", lambda out: world.index(out)), ("prepare", lambda out: world.prepare(out)),
             ("train, corrupt images left out",
              lambda out: world.train(out, data, "--set", "loading.on_corrupt=skip", "--set", "batch=50", "--set", "steps=20")),
             ("encode", lambda out: [world.edge, "encode", "--plan", world.world / "plan", "--images", world.world / "images",
                                     "--out", out])]
    for name, command in cases:
        for call, error in (("openat", "EMFILE"), ("openat", "ENFILE"), ("openat", "ENOMEM"), ("openat", "EIO"),
                            ("openat", "ESTALE"), ("read", "EIO"), ("read", "ESTALE")):
            out = fresh(work / "reads")
            result = run(["strace", "-f", "-qq", "-o", "/dev/null", "-P", victim, "-e", f"trace={call}", "-e",
                          f"inject={call}:error={error}", "--", *command(out)])
            fault = machine_fault(result)
            if not fault and name == "index" and out.exists() and world.gallery(out)[1] is not False:
                fault = f"exit 4, but the gallery is {world.gallery(out)}"
            if strays(work / "reads", ["out"]):
                fault += f"; leaves {strays(work / 'reads', ['out'])}"
            table.row(f"{name}: {call} of one image gives {error}", not fault, shown(fault or result.message(), 200))


def small_disk(table, world, work):
    """A disk of 1 MB, with little free."""
    disk = work / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode != 0:
        return table.row("a disk of 1 MB", None, "no right to mount: skipped")
    out, w, edge = disk / "out", world.world, world.edge
    cases = [
        ("index", "gallery", world.index(out, None, *world.programs.overwrite(edge, "index")), 30),
        ("build", "plan", [edge, "build", "--bundle", w / "bundle", "--batches", "1,8", "--out", out,
                           *world.programs.overwrite(edge, "build")], 60),
        ("encode", None, [edge, "encode", "--plan", w / "plan", "--images", w / "images", "--out", out], 30),
        ("tokenize", None, [edge, "tokenize", "--tokenizer", w / "dataset/tokenizer", "--input", w / "texts.txt", "--out", out],
         30),
        ("search --csv", None, [edge, "search", "--plan", w / "plan", "--gallery", w / "gallery", "--text", "a man", "--top",
                                "1000", "--csv", out], 10),
        ("search --grid", None, [edge, "search", "--plan", w / "plan", "--gallery", w / "gallery", "--text", "a man", "--top",
                                 "50", "--grid", disk / "out.png"], 10),
        ("index --json", None, [edge, "index", "--plan", w / "plan", "--images", w / "images", "--out", work / "elsewhere",
                                "--json", out], 0),
        ("synthesize", None, [world.workshop, "synthesize", "--out", out, "--people", "200", "--test-people", "20",
                              "--val-people", "10"], 900),
        ("prepare", None, world.prepare(out), 60),
        ("export", None, [world.workshop, "export", "--checkpoint", w / "run/best", "--out", out], 60),
        ("train", "run", world.train(out), 60),
    ]
    try:
        for name, old, command, room_kb in cases:
            for with_old in ([False, True] if old in ("gallery", "plan") else [False]):
                for entry in names(disk):
                    remove(disk / entry)
                if with_old:
                    place(w / old, out)
                before = contents(out)
                free = os.statvfs(disk).f_bavail * 4096
                (disk / "filler").write_bytes(bytes(max(0, free - room_kb * 1024)))
                result = run(command)
                fault = machine_fault(result)
                if with_old and contents(out) != before:
                    fault += "; the old output is not whole"
                if not with_old and name != "train" and out.exists():
                    fault += "; an output is there"
                if strays(disk, ["filler", "out"]):
                    fault += f"; leaves {strays(disk, ['filler', 'out'])}"
                table.row(f"{name} onto a full disk{', an older one there' if with_old else ''}", not fault,
                          shown(fault or result.message(), 200))
                remove(work / "elsewhere")
    finally:
        subprocess.run(["umount", "-l", disk])


def memory_of(pid, key):
    try:
        text = open(f"/proc/{pid}/status").read()
    except OSError:
        return 0
    match = re.search(rf"^{key}:\s+(\d+) kB", text, re.M)
    return int(match[1]) * 1024 if match else 0


def little_memory(table, world, work):
    """A limit set on the running process, to what it has plus so much: it ends well, or names the machine."""
    big = ["--set", "model.vision.hidden_size=512", "--set", "model.vision.intermediate_size=[2048]", "--set", "batch=400",
           "--set", "steps=40"]
    data = world.prepared()
    cases = [
        ("index", lambda out: world.index(out, world.world / "long.txt", "--batch", "512", "--consumers", "4")),
        ("encode", lambda out: [world.edge, "encode", "--plan", world.world / "plan", "--images", world.world / "long.txt",
                                "--out", out]),
        ("prepare", lambda out: world.prepare(out)),
        ("synthesize", lambda out: [world.workshop, "synthesize", "--out", out, "--people", "600", "--test-people", "20",
                                    "--val-people", "20"]),
        ("train", lambda out: world.train(out, data, *big)),
    ]
    for name, command in cases:
        for megabytes in (100, 20, 1):
            faults, codes, least, loading = [], [], "", 0
            for moment in (0.1, 0.3, 0.7, 1.2, 2.0, 3.0):
                out = fresh(work / "memory")
                process = start(command(out))
                time.sleep(moment)
                limit = memory_of(process.pid, "VmRSS") + megabytes * 2**20
                subprocess.run(["prlimit", "--pid", str(process.pid), f"--data={limit}:{limit}"], capture_output=True)
                result = finish(process, 120)
                codes.append("hangs" if result.timed_out else result.code)
                if result.timed_out:
                    faults.append(f"after {moment} s: hangs")
                elif result.code == 127 and moment < 0.5:
                    loading += 1  # ld.so's own end, while it maps libraries: before any code of ours
                elif result.code not in (0, 4) or (result.code == 4 and not result.one_line()):
                    faults.append(f"after {moment} s: exit {result.code}: {result.message() or result.err}")
                elif result.code == 4:
                    least = result.message()
                if strays(work / "memory", ["out"]):
                    faults.append(f"after {moment} s: leaves {strays(work / 'memory', ['out'])}")
                if name == "index" and out.exists() and result.code == 4 and world.gallery(out)[1] is not False:
                    faults.append(f"after {moment} s: exit 4, but the gallery is {world.gallery(out)}")
            table.row(f"{name}, data limit: resident + {megabytes} MB", not faults,
                      shown(f"exits {' '.join(map(str, codes))}; {'; '.join(faults) or least}"
                            + (f"; {loading} ended by ld.so while loading" if loading else ""), 300))


def broken_images(table, world, work):
    """Of a thousand, every fifth (or twentieth): empty, cut off, another thing, noise in turn."""
    for broken, code in ((200, 3), (50, 0)):
        images = work / f"broken-{broken}"
        place(world.world / "images", images)
        listed = sorted(images.iterdir())[:: 1000 // broken]
        for i, path in enumerate(listed):
            whole = path.read_bytes()
            path.write_bytes([b"", whole[: len(whole) // 2], b"no image", bytes(range(256)) * 20][i % 4])
        spoiled = {path.name for path in listed}

        out, report = fresh(work / "index"), work / "broken.json"
        result = run([*world.index(out, images), "--json", report])
        told = {os.path.basename(failure["path"]) for failure in report_of(report).get("failures", [])}
        good = result.code == code and told == spoiled and world.gallery(out) == (1000 - broken, True)
        table.row(f"index of {broken} broken of 1000 images: exit {code}", good,
                  shown(f"exit {result.code}, {len(told)} listed, gallery {world.gallery(out)}: {result.message()}", 220))
        if broken == 200 and world.programs.has(world.edge, "index", "--max-unreadable"):
            out = fresh(work / "index")
            result = run(world.index(out, images, "--max-unreadable", "25"))
            table.row("index of 200 broken, --max-unreadable 25: exit 0", result.code == 0, shown(result.message()))
        remove(report)

        out = fresh(work / "prepare")
        result = run([*world.prepare(out, images), "--json", report])
        unusable = report_of(report).get("unusable_records")
        rows = (out / "invalid.csv").read_text() if (out / "invalid.csv").exists() else ""
        good = result.code == code and unusable == broken and all(name in rows for name in spoiled)
        table.row(f"prepare of {broken} broken of 1000 images: exit {code}", good,
                  shown(f"exit {result.code}, {unusable} unusable, {rows.count(chr(10)) - 1} listed: {result.message()}", 220))
        remove(report)


def endless_inputs(table, world, work):
    """A pipe that nobody writes, and a device: refused or read, never waited for."""
    pipe = work / "pipe.jpg"
    os.mkfifo(pipe)
    w = world.world
    for name, path in (("a pipe", pipe), ("/dev/zero", "/dev/zero")):
        for what, command in (
                ("search --image", [world.edge, "search", "--plan", w / "plan", "--gallery", w / "gallery", "--image", path]),
                ("index --images", world.index(work / "none", path)),
                ("prepare --annotations", [world.workshop, "prepare", "--annotations", path, "--images", w / "images", "--out",
                                           work / "none"]),
                ("tokenize --input", [world.edge, "tokenize", "--tokenizer", w / "dataset/tokenizer", "--input", path, "--out",
                                      work / "none.npy"])):
            result = run(command, timeout=60, preexec=lambda: resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30)))
            good = not result.timed_out and result.code == 2 and result.one_line()
            table.row(f"{what} of {name}", good,
                      "waits without end" if result.timed_out else shown(f"exit {result.code}: {result.message()}", 200))
    images = work / "with-a-pipe"
    place(w / "images", images)
    os.mkfifo(images / "zzz.png")
    result = run(world.index(fresh(work / "index"), images), timeout=30)
    table.row("index of a folder that holds a pipe", not result.timed_out and result.code == 0,
              "waits without end" if result.timed_out else shown(f"exit {result.code}: {result.message()}"))


PARTS = {"broken": broken_images, "endless": endless_inputs, "descriptors": few_descriptors, "reads": failing_reads,
         "disk": small_disk, "memory": little_memory}


def body(programs, world, work, arguments):
    table = Table("machine: the machine's faults told apart from those of files")
    for name in arguments.parts or PARTS:
        PARTS[name](table, World(programs, world, work), work)
    return table.end()


def options(parser):
    parser.add_argument("--parts", nargs="*", choices=PARTS, help="only these")


if __name__ == "__main__":
    sys.exit(main(__doc__, body, options))
