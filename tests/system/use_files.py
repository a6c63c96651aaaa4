"""Cases of found_by_use.py: nothing of a user's is replaced or lost unasked."""

import csv
import json
import signal
import time

from support import ROOT, contents, finish, place, run, shown, start, strays

cases = []


def case(function):
    cases.append(function)
    return function


class Case:
    """Runs commands in a folder of its own and writes one row for each check."""

    def __init__(self, table, programs, world, folder):
        self.table, self.programs, self.world, self.folder = table, programs, world, folder
        self.edge, self.workshop = programs.edge, programs.workshop

    def copy(self, name, to=None):
        path = self.folder / (to or name.replace("/", "-"))
        place(self.world / name, path)
        return path

    def text(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def check(self, name, result, good, note=""):
        self.table.row(name, bool(good), shown(f"exit {result.code}{' ' + note if note else ''}: "
                                               f"{result.message() or (result.err or result.out).strip()[-150:]}", 230))

    def refused(self, name, command, kept, says=""):
        """Exit 2 with one line that says `says`; `kept` (a path) is as it was."""
        before = contents(kept)
        result = run(command)
        same = contents(kept) == before
        good = result.code == 2 and result.one_line() and says in result.message() and same
        self.check(name, result, good, "" if same else "REPLACED")
        return result

    def done(self, name, command):
        result = run(command)
        self.check(name, result, result.code == 0)
        return result


def writers(case):
    """(command's name, the command onto an artifact that is there already, that artifact, its program)."""
    w, workshop, edge = case.world, case.workshop, case.edge
    yield "merge", [workshop, "merge", "--checkpoint", w / "run-adapter/best"], case.copy("run/best", "merge"), workshop
    yield "export", [workshop, "export", "--checkpoint", w / "run-adapter/best", "--no-verify"], case.copy("bundle"), workshop
    yield "build", [edge, "build", "--bundle", w / "bundle", "--batches", "1,2"], case.copy("plan"), edge
    yield "quantize", [edge, "quantize", "--bundle", w / "bundle", "--method", "static", "--data", w / "dataset", "--samples",
                       "4"], case.copy("bundle-int8"), edge
    golden = ROOT / "tests/golden/tiny_clip"
    yield "import", [workshop, "import", "--from", golden], case.copy("run-adapter/best", "import"), workshop
    yield "prune", [workshop, "prune", "--checkpoint", w / "run/best", "--data", w / "dataset", "--set", "recovery.steps=1",
                    "--set", "recovery.batch=4"], case.copy("run/best", "prune"), workshop
    yield "synthesize", [workshop, "synthesize", "--people", "30", "--test-people", "4", "--val-people", "4"], case.copy(
        "dataset"), workshop
    yield "train", [workshop, "train", "--config", w / "tiny.json", "--data", w / "dataset"], case.copy("run"), workshop
    yield "prepare, other options", [
        workshop, "prepare", "--annotations", w / "images.json", "--images", w / "images", "--tokenizer",
        w / "dataset/tokenizer"], case.copy("dataset", "prepared"), workshop


@case
def artifacts(case):
    for name, command, out, program in writers(case):
        case.refused(f"{name} onto an artifact that is there", [*command, "--out", out], out, "--overwrite")
        before = contents(out)
        result = run([*command, "--out", out, "--overwrite"])
        case.check(f"{name} --overwrite", result, result.code == 0 and contents(out) != before and
                   not strays(out.parent, [path.name for path in out.parent.iterdir() if path.name[0] != "."]))


@case
def own_outputs(case):
    """The same command again on what it made does nothing, or goes on."""
    w = case.world
    prepare = [case.workshop, "prepare", "--annotations", w / "images.json", "--images", w / "images", "--tokenizer",
               w / "dataset/tokenizer", "--out", case.folder / "prepared"]
    case.done("prepare", prepare)
    case.done("prepare again, up to date", prepare)
    index = [case.edge, "index", "--plan", w / "plan", "--images", w / "images", "--out", case.folder / "gallery"]
    case.done("index", index)
    case.done("index again, up to date", index)
    case.done("index again, the folder with a slash", [*index[:5], f"{w}/images/", *index[6:]])


@case
def another_folder_into_a_gallery(case):
    one = case.folder / "one"
    one.mkdir()
    place(case.world / "images/0000.png", one / "0000.png")
    gallery = case.copy("gallery")
    before = json.loads((gallery / "gallery.json").read_text())["count"]
    case.done("index of another folder into a gallery",
              [case.edge, "index", "--plan", case.world / "plan", "--images", one, "--out", gallery])
    result = run([case.edge, "gallery", "verify", "--gallery", gallery])
    after = json.loads((gallery / "gallery.json").read_text())["count"]
    case.check("which has one image more", result, result.code == 0 and after == before + 1, f"{before} and {after} images")


@case
def inputs(case):
    """An input is never an output."""
    w, edge, workshop = case.world, case.edge, case.workshop
    rows = json.loads((w / "images.json").read_text())[:40]
    captions = case.folder / "captions.csv"
    with captions.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "id", "caption", "split"])
        writer.writerows([[row["file_path"], row["id"], row["captions"][0], row["split"]] for row in rows])
    prepare = [workshop, "prepare", "--annotations", captions, "--images", w / "images", "--tokenizer",
               w / "dataset/tokenizer", "--out", case.folder / "dataset-of-csv"]
    case.refused("--json onto the annotations", [*prepare, "--json", captions], captions)
    texts = case.text("texts.txt", "a man in red\na woman in blue\n")
    search = [edge, "search", "--plan", w / "plan", "--gallery", w / "gallery"]
    case.refused("search --json onto its --texts", [*search, "--texts", texts, "--json", texts], texts)
    one = case.text("one.txt", "a man in red\n")
    case.refused("search --csv onto its --texts", [*search, "--texts", one, "--csv", one], one)
    picture = case.copy("images/0000.png", "query.png")
    case.refused("search --grid onto its --image", [*search, "--image", picture, "--grid", picture], picture)
    config = case.text("config.json", '{"top": 3}')
    case.refused("--json onto its --config", [*search, "--text", "a man", "--config", config, "--json", config], config)
    case.refused("tokenize --out onto its --input", [edge, "tokenize", "--tokenizer", w / "dataset/tokenizer", "--input",
                                                     texts, "--out", texts], texts)
    people = case.text("people.json", '{"title": "People", "rows": [{"a": 1}]}')
    case.refused("report --out onto its input", [workshop, "report", "--out", people, people], people)
    gallery = case.copy("gallery")
    case.refused("--json into the head of an artifact", [edge, "inspect", gallery, "--json", gallery / "gallery.json"],
                 gallery)


@case
def report_files(case):
    """A report replaces a report of its kind, and nothing else."""
    w, edge, workshop = case.world, case.edge, case.workshop
    search = [edge, "search", "--plan", w / "plan", "--gallery", w / "gallery", "--text", "a man"]
    report, table = case.folder / "report.json", case.folder / "hits.csv"
    for again in ("", " again"):
        case.done(f"search --json --csv{again}", [*search, "--json", report, "--csv", table])
    notes = case.text("notes.json", '{"mine": 1}')
    case.refused("--json onto a file of another kind", [*search, "--json", notes], notes)
    notes = case.text("notes.csv", "what,where\nmine,here\n")
    case.refused("--csv onto a file of another kind", [*search, "--csv", notes], notes)
    rows = case.text("rows.json", '{"title": "People", "rows": [{"a": 1}]}')
    for again in ("", " again"):
        case.done(f"report --out{again}", [workshop, "report", "--out", case.folder / "page.html", rows])
    page = case.text("mine.html", "<html>mine</html>")
    case.refused("report --out onto a page of another kind", [workshop, "report", "--out", page, rows], page)


@case
def notes_in_a_run(case):
    """A file that a user puts into RUN/best while the training runs neither ends it nor is lost."""
    out = case.folder / "run"
    process = start([case.workshop, "train", "--config", case.world / "tiny.json", "--data", case.world / "dataset", "--out",
                     out, "--set", "steps=400", "--set", "validate_every=10", "--set", "best_by=loss"])
    end = time.monotonic() + 60
    while not (out / "best/config.json").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    if (out / "best").exists():
        (out / "best/notes.txt").write_text("mine")
    result = finish(process)
    kept = [path for path in case.folder.rglob("notes.txt")]
    case.check("a note in RUN/best during a training", result, result.code == 0 and kept, "" if kept else "the note is gone")


@case
def images_beside_a_gallery(case):
    gallery = case.copy("gallery")
    (gallery / "images").mkdir()
    place(case.world / "images/0000.png", gallery / "images/mine.png")
    overwrite = case.programs.overwrite(case.edge, "index")
    result = run([case.edge, "index", "--plan", case.world / "plan", "--images", case.world / "images", "--out", gallery,
                  *overwrite])
    case.check("a user's images/ in a gallery that is replaced", result, (gallery / "images/mine.png").exists(),
               "" if (gallery / "images/mine.png").exists() else "LOST")


@case
def overwritten_run(case):
    """The old run goes when the new one has saved something."""
    out = case.copy("run")
    before = contents(out / "best")
    result = run([case.workshop, "train", "--overwrite", "--config", case.world / "tiny.json", "--data",
                  case.world / "dataset", "--out", out, "--set", "optimizer.lr=1e30", "--set", "steps=50"])
    same = contents(out / "best") == before
    case.check("train --overwrite that fails before its first save", result, result.code == 2 and same,
               "" if same else "the old best is GONE")


@case
def a_slash_at_the_end(case):
    gallery = case.copy("gallery")
    process = start([case.edge, "index", "--plan", case.world / "plan", "--images", case.world / "long.txt", "--out",
                     f"{gallery}/", *case.programs.overwrite(case.edge, "index")])
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    result = finish(process)
    inside = strays(gallery, ["gallery.json", "embeddings.npy", "items.csv"])
    case.check("index --out gallery/ interrupted", result, not inside and result.code in (0, 2, 130),
               f"inside: {inside}" if inside else "")


@case
def links_and_videos_in_a_folder(case):
    """Taken, or named."""
    images, other = case.folder / "images", case.folder / "other"
    images.mkdir(), other.mkdir()
    place(case.world / "images/0000.png", images / "a.png")
    place(case.world / "images/0001.png", other / "b.png")
    (images / "linked").symlink_to(other)
    (images / "camera.avi").write_bytes(b"RIFF....AVI LIST")
    report = case.folder / "report.json"
    result = run([case.edge, "index", "--plan", case.world / "plan", "--images", images, "--out", case.folder / "gallery",
                  "--json", report])
    told = result.err + (report.read_text() if report.exists() else "")
    items = case.folder / "gallery/items.csv"
    told += items.read_text() if items.exists() else ""
    for what in ("linked", "camera.avi"):
        case.check(f"index of a folder that holds {what}", result, what in told, "" if what in told else "skipped in silence")
