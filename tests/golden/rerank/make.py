"""Golden values of k-reciprocal re-ranking (arXiv:1701.03717), written from the paper and the description of the authors' program in numpy,
float64, with sets instead of arrays of numbers:

    python3 make.py        (numpy)  ->  rows.npy, queries.npy, cases.json

rows: (60, 16) float32 unit rows around 9 centres, queries: (3, 16).  cases.json: k1, k2, lambda, and for each query the distances.
"""
import json

import numpy as np

rng = np.random.default_rng(5)
centres = rng.standard_normal((9, 16))


def draw(n):
    x = centres[rng.integers(0, 9, n)] + 0.6 * rng.standard_normal((n, 16))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


rows, queries = draw(60), draw(3)


def distances(query, k1, k2, lam):
    x = np.concatenate([query[None], rows]).astype(np.float64)
    d = np.maximum(2 - 2 * x @ x.T, 0)
    np.fill_diagonal(d, 0)
    d = d / d.max(axis=1, keepdims=True)
    order = np.argsort(d, axis=1, kind="stable")
    n = len(x)

    def reciprocal(i, k):
        return {j for j in order[i, :k] if i in order[j, :k]}
    v = np.zeros((n, n))
    for i in range(n):
        first = reciprocal(i, k1 + 1)
        grown = set(first)
        for j in first:
            other = reciprocal(j, round(k1 / 2) + 1)
            if len(other & first) > 2 / 3 * len(other):
                grown |= other
        for j in grown:
            v[i, j] = np.exp(-d[i, j])
        v[i] /= v[i].sum()
    if k2 != 1:
        v = np.stack([v[order[i, :k2]].mean(axis=0) for i in range(n)])
    shared = np.minimum(v[0], v[1:]).sum(axis=1)
    return (1 - lam) * (1 - shared / (2 - shared)) + lam * d[0, 1:]


np.save("rows.npy", rows)
np.save("queries.npy", queries)
json.dump([{"k1": k1, "k2": k2, "lambda": lam, "distances": [distances(q, k1, k2, lam).tolist() for q in queries]}
           for k1, k2, lam in ((20, 6, 0.3), (5, 1, 0.0), (8, 3, 0.5), (100, 90, 0.3))], open("cases.json", "w"))
