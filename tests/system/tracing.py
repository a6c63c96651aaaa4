"""Runs a command under strace: which system calls it makes, and the same command with one of them killed or failing."""

import re
import tempfile
from pathlib import Path

from support import run

CALL = re.compile(r"^([a-z_0-9]+)\((.*)")
# These say nothing about files: failing them tests the C library.
NO_INPUT_OR_OUTPUT = {
    "brk", "mmap", "munmap", "mprotect", "madvise", "mremap", "futex", "rt_sigaction", "rt_sigprocmask", "getpid",
    "gettid", "getuid", "geteuid", "getgid", "getegid", "clock_nanosleep", "nanosleep", "clone", "clone3", "exit_group",
    "execve", "arch_prctl", "prlimit64", "sched_getaffinity", "sched_setaffinity", "sched_yield", "set_robust_list",
    "set_tid_address", "rseq", "uname", "sysinfo", "getrandom", "exit", "rt_sigreturn", "getppid", "umask", "prctl",
    "set_mempolicy", "get_mempolicy", "poll", "getrusage", "clock_gettime", "gettimeofday",
}


class Call:
    """One system call of a trace: the nth of its name since the program's start."""

    def __init__(self, name, nth, text):
        self.name, self.nth, self.text = name, nth, text

    def __str__(self):
        return f"{self.name} #{self.nth}"


def trace(command, inject=(), timeout=120):
    """The calls of the command's first thread, in order, and its result.  inject: strace's expressions."""
    with tempfile.NamedTemporaryFile(suffix=".strace") as log:
        options = [part for expression in inject for part in ("-e", "inject=" + expression)]
        result = run(["strace", "-qq", "-y", "-s", "4096", "-o", log.name, *options, "--", *command], timeout)
        lines = Path(log.name).read_text(errors="replace").splitlines()
    calls, counts = [], {}
    for line in lines:
        match = CALL.match(line)
        if match is None:
            continue
        counts[match[1]] = counts.get(match[1], 0) + 1
        calls.append(Call(match[1], counts[match[1]], match[2]))
    return calls, result


def injected(command, call, action, others=(), timeout=120):
    """Runs the command with `action` ("signal=KILL", "error=EIO") at that call.  Returns the result, and whether the call
    was reached."""
    with tempfile.NamedTemporaryFile(suffix=".strace") as log:
        inject = [f"{call.name}:{action}:when={call.nth}", *others]
        options = [part for expression in inject for part in ("-e", "inject=" + expression)]
        traced = {call.name, *(other.split(":")[0] for other in others)}
        result = run(["strace", "-qq", "-o", log.name, "-e", "trace=" + ",".join(sorted(traced)), *options, "--", *command],
                     timeout)
        text = Path(log.name).read_text(errors="replace")
    return result, "(INJECTED)" in text or "killed by SIGKILL" in text


def between(calls, begins, ends=None):
    """The calls after the first that mentions `begins`, up to the first after it that mentions `ends`."""
    first = next((i for i, call in enumerate(calls) if call.name != "execve" and begins in call.text), len(calls))
    found = calls[first + 1:]
    if ends is not None:
        last = next((i for i, call in enumerate(found) if ends in call.text), len(found))
        found = found[:last]
    return found


def sample(items, count):
    """At most `count` of the items, evenly, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
