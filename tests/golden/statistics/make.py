"""Intervals and p values of SciPy for two made-up models on the same queries: see README.md.
Needs numpy and scipy:  python make.py > statistics.json"""
import json
import numpy as np, scipy
from scipy.stats import bootstrap, permutation_test

MASK, PERSONS, RESAMPLES, SEEDS = (1 << 64) - 1, 40, 2000, 40
NAMES = ["R@1", "R@5", "R@10", "mAP", "mINP"]


def mix64(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


class Rng:
    """src/base/rng.h, so that NumPy can be given the very draws."""

    def __init__(self, seed, a, b=0):
        state = mix64((mix64(seed ^ 0xA0761D6478BD642F) + a & MASK)) * 3 + mix64(b) & MASK
        self.state = mix64(state + 0x9E3779B97F4A7C15 & MASK)

    def below(self, n):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        return mix64(self.state) * n >> 64


def queries(rng):
    """Persons of one to six queries; the second model is a little better, and persons are easy or hard for both."""
    rows = []
    for person in range(PERSONS):
        ease = rng.uniform(0.5, 5)
        for _ in range(int(rng.integers(1, 7))):
            row = [person * 7]
            for better in (1.0, 0.45):
                rank = 1 + int(rng.exponential(ease * better * 2))
                row += [rank, round(min(1, (0.4 + 0.6 * rng.random()) / rank), 4), round(min(1, 0.8 * rng.random() / rank), 4)]
            rows.append(row)
    return rows


def measures(rank, ap, inp):
    return [float(rank <= 1), float(rank <= 5), float(rank <= 10), ap, inp]


def sums(rows, offset):
    """(counts, sums of the five measures) by person."""
    ids = sorted({r[0] for r in rows})
    counts = np.array([sum(r[0] == i for r in rows) for i in ids], float)
    total = np.array([np.sum([measures(*r[offset:offset + 3]) for r in rows if r[0] == i], axis=0) for i in ids])
    return counts, total


def ratio(total, counts, axis=-1):
    return 100 * np.sum(total, axis=axis) / np.sum(counts, axis=axis)


def intervals(counts, total):
    """SciPy's own intervals: the mean of its ends over seeds, and how much one differs from another."""
    out = {}
    for m, name in enumerate(NAMES):
        ends = np.array([bootstrap((total[:, m], counts), ratio, paired=True, vectorized=True, n_resamples=RESAMPLES, method="percentile",
                                   confidence_level=0.95, rng=np.random.default_rng(s)).confidence_interval for s in range(SEEDS)])
        out[name] = {"mean": ends.mean(0).tolist(), "deviation": ends.std(0, ddof=1).tolist()}
    return out


def same_draws(counts, total, seed):
    """NumPy's quantiles of our own draws."""
    n, means = len(counts), []
    for r in range(RESAMPLES):
        rng = Rng(seed, r)
        drawn = [rng.below(n) for _ in range(n)]
        means.append(100 * total[drawn].sum(0) / counts[drawn].sum())
    return {name: np.percentile(np.array(means)[:, m], [2.5, 97.5]).tolist() for m, name in enumerate(NAMES)}


def p_values(first, second, resamples):
    """By person: the sums of both models, swapped or not."""
    out = {}
    for m, name in enumerate(NAMES):
        result = permutation_test((first[:, m], second[:, m]), lambda x, y, axis: np.sum(x - y, axis=axis), permutation_type="samples",
                                  vectorized=True, n_resamples=resamples, alternative="two-sided", rng=np.random.default_rng(5))
        out[name] = float(result.pvalue)
    return out


rows = queries(np.random.default_rng(11))
few = [r for r in rows if r[0] < 7 * 11]
counts, a = sums(rows, 1)
_, b = sums(rows, 4)
_, few_a = sums(few, 1)
_, few_b = sums(few, 4)
values = np.random.default_rng(2).normal(size=37)
print(json.dumps({
    "numpy": np.__version__, "scipy": scipy.__version__, "resamples": RESAMPLES, "seeds": SEEDS,
    "queries": rows,
    "means": dict(zip(NAMES, ratio(a, counts[:, None], axis=0).tolist())),
    "difference": dict(zip(NAMES, ratio(a - b, counts[:, None], axis=0).tolist())),
    "intervals": intervals(counts, a), "difference_intervals": intervals(counts, a - b),
    "same_draws": {"seed": 3, "intervals": same_draws(counts, a, 3)},
    "percentiles": {"values": values.tolist(), "level": 0.9, "interval": np.percentile(values, [5, 95]).tolist()},
    "exact": {"persons": 11, "p": p_values(few_a, few_b, np.inf)},
    "random": {"resamples": 99999, "p": p_values(a, b, 99999)}}))
