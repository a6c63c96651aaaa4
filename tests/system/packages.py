#!/usr/bin/env python3
"""The Debian packages in a bare Debian: they install with what they say they need, edgeclip-edge builds a plan and a gallery,
the C example of libedgeclip-dev compiles against them and finds a person.  Needs root, debootstrap and the network.  With the
demo's output (--demo, $EDGECLIP_DEMO_OUT or demo-out) the person must be the right one; the small world's model has learnt
nothing, so there it must be whom edgeclip-edge finds."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import ROOT, Table, main, run, shown

QUERIES = 8


def bare_root(to, tar):
    """A minimal Debian 12: of a tar of one, else by debootstrap."""
    to.mkdir()
    if tar:
        subprocess.run(["tar", "-C", to, "-xf", tar], check=True)
    else:
        subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", to],
                       check=True, stdout=subprocess.DEVNULL)
    # The machine's own sources, mirrors and proxies.
    shutil.rmtree(to / "etc/apt/sources.list.d", ignore_errors=True)
    (to / "etc/apt/sources.list").unlink(missing_ok=True)
    for name in ("sources.list", "sources.list.d"):
        source = Path("/etc/apt") / name
        if source.is_dir():
            shutil.copytree(source, to / "etc/apt" / name)
        elif source.exists():
            shutil.copy(source, to / "etc/apt" / name)
    for source in Path("/etc/apt/apt.conf.d").glob("99*"):
        shutil.copy(source, to / "etc/apt/apt.conf.d")
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", to / "etc" / name)


class Bare:
    """Runs scripts in the root, in mounts of their own that go with them."""

    def __init__(self, root):
        self.root = root

    def __call__(self, script, timeout=1200):
        mounts = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$1" /usr/bin/env -i '
        env = "HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "
        return run(["unshare", "--mount", "sh", "-c", mounts + env + 'bash -c "$2"', "sh", self.root,
                    "set -euo pipefail\n" + script], timeout)


def captions(dataset):
    """(caption, person) of as many people as there are queries, and the person of each path."""
    with open(dataset / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    person = {row["path"]: row["id"] for row in rows}
    first = {}
    for row in rows:
        if row["split"] == "test":
            first.setdefault(row["id"], (row["caption"], row["id"]))
    return list(first.values())[:QUERIES], person


def body(programs, world, work, arguments):
    table = Table("packages")
    if os.geteuid() != 0 or (not arguments.root_tar and not shutil.which("debootstrap")):
        table.row("a bare Debian", None, "left out: needs root and debootstrap")
        return table.end()
    demo = Path(arguments.demo)
    learnt = (demo / "bundle").is_dir() and (demo / "camera").is_dir()
    bundle, dataset = (demo / "bundle", demo / "camera") if learnt else (world / "bundle", world / "dataset")

    made = run([ROOT / "scripts/package.sh", work / "debs"], 7200)
    table.row("scripts/package.sh", made.code == 0, shown(made.out.replace(str(work / "debs") + "/", "") or made.err))
    if made.code != 0:
        return table.end()
    root = work / "root"
    bare_root(root, arguments.root_tar)
    bare = Bare(root)
    shutil.copytree(work / "debs", root / "debs")
    shutil.copytree(bundle, root / "bundle")
    shutil.copytree(dataset, root / "dataset")

    update = bare("apt-get update -qq")
    here = "$(ls /debs/*.deb | grep -v edgeclip-media)"
    install = bare(f"apt-get install -y -qq --no-install-recommends {here} gcc libc6-dev pkg-config")
    table.row("install in a bare Debian", update.code == 0 and install.code == 0, shown(update.err + install.err, 300))
    media = bare("apt-get install -s -qq --no-install-recommends /debs/edgeclip-media*.deb")
    table.row("edgeclip-media could be installed", media.code == 0, shown(media.err))
    missing = bare("ldd /usr/bin/edgeclip-edge /usr/lib/*/libedgeclip*.so.1 /usr/lib/*/edgeclip/*.so | grep 'not found' || true")
    table.row("no library is missing", missing.code == 0 and not missing.out, shown(missing.out + missing.err))
    size = bare("dpkg-query -W -f='${Package} ${Installed-Size} kB\\n' '*edgeclip*' | sort | tr '\\n' ' '")
    table.row("installed sizes", None, size.out)

    index = bare("edgeclip-edge build --quiet --bundle /bundle --out /plan && "
                 "edgeclip-edge index --quiet --plan /plan --images /dataset --out /gallery")
    table.row("edgeclip-edge builds a plan and a gallery", index.code == 0, shown(index.err))
    compiled = bare("cd /root && cp /usr/share/doc/libedgeclip-dev/examples/embed_c/find_person.c . && "
                    "cc -std=c99 -Wall -Wextra -Werror find_person.c -o find_person $(pkg-config --cflags --libs edgeclip)")
    table.row("the C example compiles", compiled.code == 0, shown(compiled.err))
    if index.code != 0 or compiled.code != 0:
        return table.end()
    queries, person = captions(dataset)
    right = 0
    for caption, who in queries:
        quoted = "'" + caption.replace("'", "'\\''") + "'"
        found = bare(f"/root/find_person /plan /gallery {quoted}")
        paths = [line.split("  ", 1)[1] for line in found.out.splitlines()]
        same = bare(f"edgeclip-edge search --quiet --plan /plan --gallery /gallery --top 5 --text {quoted} --csv /out.csv && "
                    "cat /out.csv; rm -f /out.csv")
        rows = [row["path"] for row in csv.DictReader(same.out[same.out.find("rank,"):].splitlines())]
        good = found.code == 0 and len(paths) == 5 and all(p.endswith("/" + r) for p, r in zip(paths, rows))
        people = [person.get(path) for path in rows]
        right += who in people
        table.row("find_person finds what edgeclip-edge finds", good, shown(f"{caption} -> {people}" if good else found.err + same.err))
    table.row("the right person is among the first five", right > len(queries) // 2 if learnt else None,
              f"{right} of {len(queries)}")
    wrong = bare("/root/find_person /plan /nowhere person")
    table.row("a missing gallery is told in one line", wrong.code == 1 and wrong.err.count("\n") == 1, shown(wrong.err))
    gone = bare("apt-get purge -y -qq '*edgeclip*' >/dev/null && "
                "find /usr -name '*edgeclip*' -not -path '/usr/share/doc/*' || true")
    table.row("and go without a trace", gone.code == 0 and not gone.out, shown(gone.out + gone.err))
    return table.end()


def options(parser):
    parser.add_argument("--demo", default=os.environ.get("EDGECLIP_DEMO_OUT", str(ROOT / "demo-out")),
                        help="what scripts/demo.sh wrote")
    parser.add_argument("--root-tar", default=os.environ.get("EDGECLIP_BARE_ROOT"), help="tar of a bare Debian 12, else debootstrap")


if __name__ == "__main__":
    sys.exit(main(__doc__, body, options))
