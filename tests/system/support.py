"""What the system tests share: the programs, runs of them, folders told apart by content, and the table that a
script prints and that decides its exit code.  Python's standard library alone."""

import argparse
import functools
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What a library says when it ends the process in its own way: never one line with a remedy.
UNCAUGHT = re.compile(r"terminate called|libgomp:|what\(\):|core dumped|Segmentation fault|internal error")


class Result:
    """code: the exit code, negative for a signal; seconds: wall time; timed_out: it had to be killed."""

    def __init__(self, code, out, err, seconds, timed_out=False):
        self.code, self.out, self.err, self.seconds, self.timed_out = code, out, err, seconds, timed_out

    def message(self):
        """The line of an error, without the program's name; "" if there is none."""
        found = [line for line in self.err.splitlines() if re.match(r"(edgeclip(-edge)?|replace_probe): ", line)]
        return found[-1].split(": ", 1)[1] if found else ""

    def one_line(self):
        """An error is told in one line of ours, and nothing else ends the process."""
        ours = [line for line in self.err.splitlines() if re.match(r"(edgeclip(-edge)?|replace_probe): ", line)]
        return len(ours) == 1 and UNCAUGHT.search(self.err) is None


def run(command, timeout=300, cwd=None, env=None, preexec=None):
    start = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, cwd=cwd, env=env, preexec_fn=preexec)
    return finish(process, timeout, start)


def start(command, cwd=None, env=None):
    return subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, cwd=cwd, env=env)


def finish(process, timeout=300, since=None):
    since = time.monotonic() if since is None else since
    timed_out = False
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        process.kill()
        out, err = process.communicate()
    text = [stream.decode("utf-8", "replace") for stream in (out, err)]
    return Result(process.returncode, text[0], text[1], time.monotonic() - since, timed_out)


class Programs:
    """The programs of a folder; probe: the program that only replaces an output (replace_probe.cpp)."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.edge, self.workshop = self.folder / "edgeclip-edge", self.folder / "edgeclip"
        self.probe = Path(os.environ.get("EDGECLIP_REPLACE_PROBE", self.folder / "replace_probe"))
        if not self.edge.exists():
            sys.exit(f"{self.edge}: is not there; build the programs first, or name their folder")

    @functools.lru_cache(maxsize=None)
    def help(self, program, command):
        return run([program, command, "--help"]).out

    def has(self, program, command, option):
        return re.search(rf"(?<![\w-]){option}(?![\w-])", self.help(program, command)) is not None

    def overwrite(self, program, command):
        """How a command is told to replace an artifact; an option that it lacks is not given."""
        return ["--overwrite"] if self.has(program, command, "--overwrite") else []


class Table:
    """Rows of a name, a verdict and a note, printed as they come.  A row with a false verdict fails the script; None is
    a figure without a verdict."""

    def __init__(self, title):
        self.failed = self.passed = 0
        print(f"== {title}", flush=True)

    def row(self, name, good, note=""):
        word = "    " if good is None else "ok  " if good else "FAIL"
        if good is not None:
            self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{word} {name:<62} {note}", flush=True)

    def end(self):
        print(f"== {self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


def contents(path):
    """What a file or folder holds: {relative name: hash}; {} if it is not there."""
    path = Path(path)
    if path.is_file():
        return {"": hashlib.sha256(path.read_bytes()).hexdigest()}
    return {str(p.relative_to(path)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(path.rglob("*")) if p.is_file()}


def names(folder):
    return sorted(entry.name for entry in Path(folder).iterdir()) if Path(folder).exists() else []


def strays(folder, allowed=()):
    """Entries of `folder` that are not in `allowed`, and temporary entries anywhere below."""
    folder = Path(folder)
    found = [name for name in names(folder) if name not in allowed]
    found += [str(p.relative_to(folder)) for p in folder.rglob(".*") if p.parent != folder]
    found += [str(p.relative_to(folder)) for p in folder.rglob("*.tmp*") if p.parent != folder and p.name[0] != "."]
    return found


def remove(path):
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()


class SmallDisk:
    """A disk of its own (tmpfs) below `folder`, to be filled up.  `there` says whether the system lets us have one."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir()
        self.there = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder],
                                    stderr=subprocess.DEVNULL).returncode == 0

    def fill(self):
        filler = os.open(self.folder / "filler", os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(filler, b"x" * 4096):
                pass
        except OSError:
            os.close(filler)

    def free(self):
        (self.folder / "filler").unlink()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.there:
            subprocess.run(["umount", self.folder], check=False)


def place(source, to):
    """`to` becomes a copy of `source`, a file or folder."""
    remove(to)
    shutil.copytree(source, to, symlinks=True) if Path(source).is_dir() else shutil.copy2(source, to)


def shown(text, length=110):
    text = " ".join(str(text).split())
    return text if len(text) <= length else text[: length - 3] + "..."


def main(description, body, options=None):
    """Runs body(programs, world, work, arguments) -> exit code.  world: the folder that fixture.sh filled; work: an empty
    folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("bin", nargs="?", default=str(ROOT / "build/release/bin"), help="folder of the programs")
    parser.add_argument("--world", help="what fixture.sh made before; default: made anew, removed afterwards")
    parser.add_argument("--keep", action="store_true", help="the working folder stays, to look at")
    if options is not None:
        options(parser)
    arguments = parser.parse_args()
    programs = Programs(arguments.bin)
    top = Path(tempfile.mkdtemp(prefix="edgeclip-system-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the working folder goes then, too
    try:
        world = Path(arguments.world).resolve() if arguments.world else top / "world"
        if not (world / "made").exists():
            subprocess.run([ROOT / "tests/system/fixture.sh", programs.folder, world], check=True)
        (top / "work").mkdir()
        return body(programs, world, top / "work", arguments)
    finally:
        if arguments.keep:
            print(f"kept: {top}")
        else:
            shutil.rmtree(top, ignore_errors=True)
