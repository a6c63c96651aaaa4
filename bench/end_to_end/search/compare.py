"""Exact search beside faiss-cpu of PyPI: the ten best of 1 M rows of 512 for one query and for 64, in one run, interleaved,
medians, and how many of the ten exact ones each kind of rows finds.

    python3 -m venv /var/tmp/faissvenv && /var/tmp/faissvenv/bin/pip install numpy faiss-cpu
    cmake --preset release -DEDGECLIP_BENCH=ON && cmake --build --preset release --target bench_search
    env -u OPENBLAS_CORETYPE /var/tmp/faissvenv/bin/python bench/end_to_end/search/compare.py \\
        --program build/release/bin/bench_search

Rows are seeded unit vectors around 1000 centres, written to a file once (--folder), which edgeclip maps; faiss has a copy.
IndexFlatIP is to be compared with float32, SQ8 (QT_8bit) with int8, whose lists are exact for the rows as they were rounded.
"""
import argparse, json, os, pathlib, statistics, subprocess, time

import numpy as np
import faiss

arguments = argparse.ArgumentParser()
arguments.add_argument("--program", required=True)
arguments.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/var/tmp/edgeclip_search"))
arguments.add_argument("--rows", type=int, default=1_000_000)
arguments.add_argument("--dim", type=int, default=512)
arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
arguments.add_argument("--rounds", type=int, default=7)
arguments.add_argument("--prepare", action="store_true", help="write the files and end")
arguments.add_argument("--json")
a = arguments.parse_args()
TOP, QUERIES = 10, (1, 64)

a.folder.mkdir(parents=True, exist_ok=True)
rows_file, queries_file = (a.folder / f"{what}_{a.rows}_{a.dim}.f32" for what in ("rows", "queries"))
if not rows_file.exists() or not queries_file.exists():
    random = np.random.default_rng(1)
    centres = random.standard_normal((1000, a.dim), np.float32)

    def draw(count):
        x = centres[random.integers(0, 1000, count)] + random.standard_normal((count, a.dim), np.float32)
        return x / np.linalg.norm(x, axis=1, keepdims=True)
    draw(max(QUERIES)).tofile(queries_file)
    with open(rows_file, "wb") as out:
        for first in range(0, a.rows, 50_000):
            draw(min(50_000, a.rows - first)).tofile(out)
if a.prepare:
    raise SystemExit
queries = np.fromfile(queries_file, np.float32).reshape(-1, a.dim)

faiss.omp_set_num_threads(a.threads)
faiss.cvar.distance_compute_blas_threshold = 20  # 64 queries are three times as fast by products of matrices
rows = np.memmap(rows_file, np.float32, "r", shape=(a.rows, a.dim))
flat = faiss.IndexFlatIP(a.dim)
flat.add(rows)
sq8 = faiss.IndexScalarQuantizer(a.dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
sq8.train(rows[:100_000])
sq8.add(rows)

ours = subprocess.Popen([a.program, str(rows_file), str(queries_file), str(a.dim), str(a.threads)], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, text=True)
assert int(ours.stdout.readline()) == a.rows


def of_ours(kind):
    def search(count):
        ours.stdin.write(f"{kind} {count} {TOP}\n")
        ours.stdin.flush()
        seconds, *items = ours.stdout.readline().split()
        return float(seconds), np.array(items, np.int64).reshape(count, TOP)
    return search


def of_faiss(index):
    def search(count):
        start = time.perf_counter()
        _, items = index.search(queries[:count], TOP)
        return time.perf_counter() - start, items
    return search


runs = {"edgeclip float32": of_ours("f32"), "faiss IndexFlatIP": of_faiss(flat), "edgeclip float16": of_ours("f16"),
        "edgeclip int8": of_ours("s8"), "faiss SQ8": of_faiss(sq8)}
results = {}
for count in QUERIES:
    taken = {name: [] for name in runs}
    for _ in range(a.rounds):
        for name, search in runs.items():
            time.sleep(0.05)  # threads of OpenMP spin for a while behind a search
            seconds, items = search(count)
            taken[name].append(seconds)
            results.setdefault(name, {})["items"] = items
    exact = results["faiss IndexFlatIP"]["items"]
    print(f"\n{count} queries, {a.rows} x {a.dim}, {a.threads} threads, faiss {faiss.__version__}, median of {a.rounds}")
    for name in runs:
        median = statistics.median(taken[name])
        found = np.mean([len(set(x) & set(y)) / TOP for x, y in zip(results[name]["items"], exact)])
        results[name][f"{count} queries"] = {"ms": 1e3 * median, "recall": found}
        print(f"  {name:20} {1e3 * median:9.2f} ms  {count / median:9.1f} queries/s   recall@10 {found:.4f}")
ours.stdin.close()
ours.wait()
if a.json:
    json.dump({name: {k: v for k, v in r.items() if k != "items"} for name, r in results.items()}, open(a.json, "w"), indent=2)
