"""Golden values from independent tools: scipy, statsmodels, numpy's matrices, exact fractions, mpmath.

    python tests/golden/make.py

Writes one small JSON per subject beside this file. Nothing of llms is imported: what stands here is a second opinion.
"""

import itertools
import json
import re
import string
from fractions import Fraction
from math import comb
from pathlib import Path
from random import Random

import mpmath
import numpy as np
import statsmodels.api as sm
from scipy import stats
from scipy.optimize import linear_sum_assignment
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

HERE = Path(__file__).parent


def clusters_of(sizes: list[int]) -> list[int]:
    return [cluster for cluster, size in enumerate(sizes) for _ in range(size)]


def scores_of(seed: int, clusters: list[int], whole: bool) -> list[float]:
    """Scores that resemble one another within a cluster."""
    random, level = np.random.default_rng(seed), np.random.default_rng(seed + 1).uniform(0.2, 0.8, max(clusters) + 1)
    values = [random.random() < level[c] if whole else random.beta(6 * level[c], 6 * (1 - level[c])) for c in clusters]
    return [round(float(value), 4) for value in values]


def cr2(values: list[float], clusters: list[int]) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom of a mean, by full matrices (Bell and McCaffrey 2002)."""
    n, names = len(values), np.array(clusters)
    hat = np.full((n, n), 1 / n)
    residuals = (np.eye(n) - hat) @ np.array(values)
    variance, columns = 0.0, []
    for cluster in sorted(set(clusters)):
        inside = np.flatnonzero(names == cluster)
        block = (np.eye(n) - hat)[np.ix_(inside, inside)]
        eigenvalues, vectors = np.linalg.eigh(block)
        adjust = vectors @ np.diag(eigenvalues**-0.5) @ vectors.T
        weights = adjust @ np.full(len(inside), 1 / n)
        variance += float(weights @ residuals[inside]) ** 2
        columns.append((np.eye(n) - hat)[:, inside] @ weights)
    gram = np.array(columns) @ np.array(columns).T
    return variance**0.5, float(np.trace(gram) ** 2 / (gram**2).sum())


def bounds(centre: float, error: float, df: float, level: float = 0.95) -> list[float]:
    low, high = stats.t.interval(level, df, centre, error)
    return [float(low), float(high)]


def intervals() -> dict:
    quantiles = {str(df): float(stats.t.ppf(0.975, df)) for df in (0.5, 1, 1.7, 2, 3.25, 5, 9, 29.5, 99, 1234.5, 10**6)}
    wilson = [
        [right, n, *map(float, proportion_confint(right, n, 0.05, "wilson"))]
        for right, n in ((0, 5), (1, 1), (1, 7), (3, 8), (50, 100), (97, 99), (1319, 1319), (7405, 10042))
    ]
    plain = []
    for seed, n in ((1, 2), (2, 5), (3, 40), (4, 300)):
        values = scores_of(seed, list(range(n)), False)
        values = [round(10 * value, 3) for value in values]  # beyond [0, 1], so that nothing is clipped
        low, high = DescrStatsW(values).tconfint_mean()
        plain.append({"scores": values, "low": float(low), "high": float(high), "stderr": float(stats.sem(values))})
    few, many = [], []
    for seed, sizes in ((5, [3, 3]), (6, [1, 2, 6]), (7, [4] * 9), (8, [1, 1, 2, 9, 12, 3]), (9, [2] * 30 + [1] * 9)):
        clusters = clusters_of(sizes)
        values = [round(10 * value, 3) for value in scores_of(seed, clusters, False)]
        error, df = cr2(values, clusters)
        low, high = bounds(float(np.mean(values)), error, df)
        few.append({"scores": values, "clusters": clusters, "stderr": error, "df": df, "low": low, "high": high})
    for seed, sizes in ((10, [2] * 40), (11, [1, 2, 3, 4, 5] * 9)):
        clusters = clusters_of(sizes)
        values = [round(10 * value, 3) for value in scores_of(seed, clusters, False)]
        result = sm.OLS(values, np.ones(len(values))).fit(
            cov_type="cluster", cov_kwds={"groups": np.array(clusters)}, use_t=True
        )
        # statsmodels also multiplies by (n - 1) / (n - 1), which is 1 for a model of nothing but a mean
        low, high = result.conf_int()[0]
        many.append(
            {
                "scores": values,
                "clusters": clusters,
                "stderr": float(result.bse[0]),
                "low": float(low),
                "high": float(high),
            }
        )
    macro = []
    for seed, parts, weights in ((12, (5, 9), (1, 1)), (13, (4, 20, 7), (1, 1, 1)), (14, (12, 3, 30), (12, 3, 30))):
        samples = [
            [round(10 * v, 3) for v in scores_of(seed + 20 * i, list(range(n)), False)] for i, n in enumerate(parts)
        ]
        shares = [weight / sum(weights) for weight in weights]
        terms = [(share * float(stats.sem(part))) ** 2 for share, part in zip(shares, samples, strict=True)]
        df = sum(terms) ** 2 / sum(t * t / (len(part) - 1) for t, part in zip(terms, samples, strict=True))
        value = sum(share * float(np.mean(part)) for share, part in zip(shares, samples, strict=True))
        low, high = bounds(value, sum(terms) ** 0.5, df)
        macro.append({"parts": samples, "weights": list(weights), "value": value, "low": low, "high": high})
    return {"quantiles": quantiles, "wilson": wilson, "t": plain, "few": few, "many": many, "macro": macro}


def exact_flips(differences: list[float], clusters: list[int]) -> float:
    """Every pattern of signs, over whole clusters."""
    sums = [sum((Fraction(str(d)) for d, c in zip(differences, clusters, strict=True) if c == name), Fraction(0))
            for name in sorted(set(clusters))]  # fmt: skip
    seen = abs(sum(sums))
    patterns = list(itertools.product((-1, 1), repeat=len(sums)))
    return sum(abs(sum(s * v for s, v in zip(p, sums, strict=True))) >= seen for p in patterns) / len(patterns)


def pairs() -> dict:
    plain = []
    for seed, n, whole in ((21, 12, False), (22, 60, True), (23, 150, False), (24, 9, True)):
        a, b = scores_of(seed, list(range(n)), whole), scores_of(seed + 50, list(range(n)), whole)
        differences = np.array(a) - np.array(b)
        entry = {
            "a": a, "b": b, "difference": float(differences.mean()), "stderr": float(stats.sem(differences)),
            "interval": bounds(float(differences.mean()), float(stats.sem(differences)), n - 1),
            "inner": bounds(float(differences.mean()), float(stats.sem(differences)), n - 1, 0.9),
            "correlation": float(stats.pearsonr(a, b).statistic),
        }  # fmt: skip
        if whole:
            table = [[sum(x == i and y == j for x, y in zip(a, b, strict=True)) for j in (1, 0)] for i in (1, 0)]
            entry |= {"p": float(mcnemar(table, exact=True).pvalue), "only_a": table[0][1], "only_b": table[1][0]}
        elif n <= 12:
            entry |= {"p": exact_flips([round(x - y, 4) for x, y in zip(a, b, strict=True)], list(range(n)))}
        # the margin at which two one-sided tests just reject: above it equivalent, below it not
        low, high = 0.0, 5.0
        for _ in range(60):
            middle = (low + high) / 2
            p = ttost_paired(np.array(a), np.array(b), -middle, middle)[0]
            low, high = (low, middle) if p < 0.05 else (middle, high)
        plain.append(entry | {"margin": high})
    clustered = []
    for seed, sizes in (
        (25, [2, 3, 1, 4]),
        (26, [1, 1, 5, 2, 2, 7]),
        (27, [3] * 39),
        (28, [2, 3] * 20),
        (29, [1, 2] * 30),
    ):
        clusters = clusters_of(sizes)
        a, b = scores_of(seed, clusters, False), scores_of(seed + 50, clusters, False)
        differences, centre = np.array(a) - np.array(b), float(np.mean(np.array(a) - np.array(b)))
        if len(sizes) < 40:
            error, df = cr2(list(differences), clusters)
        else:
            fit = sm.OLS(differences, np.ones(len(a))).fit(
                cov_type="cluster", cov_kwds={"groups": np.array(clusters)}, use_t=True
            )
            error, df = float(fit.bse[0]), len(sizes) - 1
        entry = {"a": a, "b": b, "clusters": clusters, "stderr": error,
                 "interval": bounds(centre, error, df), "inner": bounds(centre, error, df, 0.9)}  # fmt: skip
        if len(sizes) <= 6:
            entry["p"] = exact_flips([round(x - y, 4) for x, y in zip(a, b, strict=True)], clusters)
        clustered.append(entry)
    raw = [[0.01, 0.04, 0.03], [0.5, 0.0001], [0.2] * 4, [0.012, 0.013, 0.02, 0.3, 0.9]]
    holm = [[values, [float(p) for p in multipletests(values, method="holm")[1]]] for values in raw]
    return {"plain": plain, "clustered": clustered, "holm": holm}


def power() -> dict:
    """Normal approximation of a paired test, 5 % two-sided, 80 % power: the rejection rate is computed back."""
    entries = []
    for n, omega2, a, b, k in ((100, 1 / 9, 0, 0, 1), (198, 1 / 9, 1 / 6, 1 / 6, 1), (1319, 0.05, 0.1, 0.2, 4)):
        error = ((omega2 + (a + b) / k) / n) ** 0.5
        low, high = 0.0, 10.0
        for _ in range(100):
            middle = (low + high) / 2
            power = stats.norm.sf(stats.norm.isf(0.025), middle / error)  # the other tail is left out, as is usual
            low, high = (low, middle) if power > 0.8 else (middle, high)
        entries.append({"n": n, "omega2": omega2, "sigma2_a": a, "sigma2_b": b, "k": k, "difference": high})
    return {"detectable": entries}


def drop() -> list:
    """DROP's metric (Dua et al. 2019, section 5): bags of tokens, aligned spans, numbers that must meet."""

    def is_number(text: str) -> bool:
        try:
            float(text)
        except ValueError:
            return False
        return True

    def tokens(text: str) -> list[str]:
        out = []
        for token in re.split("[ -]", text.lower()):
            if not is_number(token):
                token = "".join(c for c in token if c not in string.punctuation)
            if is_number(token):
                token = str(float(token))
            out += [word for word in re.sub(r"\b(a|an|the)\b", " ", token).split() if word]
        return out

    def f1(predicted: set[str], gold: set[str]) -> Fraction:
        if (numbers := {t for t in gold if is_number(t)}) and not numbers & predicted:
            return Fraction(0)
        if not predicted and not gold:
            return Fraction(1)
        both = len(predicted & gold)
        return Fraction(2 * both, len(predicted) + len(gold)) if predicted and gold else Fraction(0)

    cases = [
        ("twenty yards", [["20 yards"]]), ("20-yard", [["20 yards"]]), ("20.0 yards", [["20 yards"]]),
        ("the Broncos", [["Broncos"]]), ("Denver Broncos", [["Broncos"], ["Denver"]]), ("21 yards", [["20 yards"]]),
        ("20 yards", [["20 yards", "30 yards"]]), ("Smith Jones", [["Smith", "Jones"]]),
        ("Smith", [["Smith", "Jones", "Brown"]]), ("Tom Smith and Bob", [["Tom Smith", "Bob"]]),
        ("a 3-yard touchdown run", [["3-yard run"]]), ("1,200", [["1200"]]), ("$5.5", [["5.5"]]),
        ("June 3 1998", [["3 June 1998"]]), ("", [["x"]]), ("an apple", [["the apple"], ["pear"]]),
        ("one two three", [["one two", "three four"]]), ("7 and 9", [["7 8 9"]]), ("abc", [["abc 7"]]), ("7 abc", [["abc 7"]]),
        ("U.S. Army", [["US Army"]]), ("field goal", [[""], ["field goal"]]), ("x", [["y z"], ["x y z w"]]),
    ]  # fmt: skip
    out = []
    for prediction, golds in cases:
        exact, best = 0.0, 0.0
        for gold in golds:
            if not gold[0].strip():
                continue
            bags = [set(tokens(span)) for span in gold]
            exact = max(exact, float([" ".join(tokens(prediction))] == [" ".join(tokens(span)) for span in gold]))
            table = np.array([[float(f1(set(tokens(prediction)), bag)) for bag in bags]])
            rows, columns = linear_sum_assignment(-table)
            aligned = np.zeros(len(bags))
            aligned[columns] = table[rows, columns]
            best = max(best, round(float(aligned.mean()), 2))
        out.append({"prediction": prediction, "golds": golds, "exact": exact, "f1": best})
    return out


def draw_() -> list:
    """lm-evaluation-harness 0.4.13 samples from one random.Random(1234), document after document."""
    out = []
    for size, shots, documents in ((20, 5, 6), (8, 3, 10), (100, 1, 4)):
        random = Random(1234)
        out.append([size, shots, [random.sample(range(size), shots) for _ in range(documents)]])
    return out


def arithmetic() -> dict:
    """Exact fractions where the result is rational, else 60 digits of mpmath."""
    mpmath.mp.dps = 60
    modulo = []
    for x, y in (
        ("7.5", "2"), ("-7.5", "2"), ("7.5", "-2"), ("1e20", "0.3"), ("123456789.123456789", "0.001"), ("0.3", "0.1"),
        ("-0.3", "0.7"), ("1e-30", "7"), ("5", "0.25"), ("1e45", "1.1"), ("1234.5", "1e3"), ("2.5e3", "7e1"), ("-1e-3", "1e2"),
    ):  # fmt: skip
        quotient = Fraction(x) // Fraction(y)
        rest = Fraction(x) - quotient * Fraction(y)
        modulo.append([x, y, str(quotient), str(rest)])
    round_ = []
    for x, places in (
        ("2.5", 0), ("3.5", 0), ("-2.5", 0), ("0.5", 0), ("-0.5", 0), ("2.49999", 0), ("1.005", 2), ("1.015", 2), ("2.675", 2),
        ("-1.005", 2), ("1.0049999", 2), ("1250", -2), ("1350", -2), ("1249", -2), ("-1250", -2), ("50", -2), ("49", -2),
        ("5", -1), ("4.99", -1), ("0.00015", 4), ("123.456", 3), ("123.456", 4), ("1e20", -19), ("15", -1), ("150", -3), ("500", -3),
    ):  # fmt: skip
        scaled = abs(Fraction(x)) * Fraction(10) ** places
        nearest = (2 * scaled + 1) // 2  # halves away from zero
        value = nearest / Fraction(10) ** places * (-1 if Fraction(x) < 0 else 1)
        round_.append([x, places, str(value)])
    irrational = {
        "sqrt(2)": mpmath.sqrt(2), "sqrt(0.1)": mpmath.sqrt(mpmath.mpf(1) / 10), "2^0.25": mpmath.root(2, 4), "1.1^10.5": mpmath.mpf("1.1") ** mpmath.mpf("10.5"),
        "2.5^-3.5": mpmath.mpf("2.5") ** mpmath.mpf("-3.5"), "1/7": mpmath.mpf(1) / 7, "2/3": mpmath.mpf(2) / 3, "22/7-pi": mpmath.mpf(22) / 7 - mpmath.pi,
        "pi": mpmath.pi, "e": mpmath.e, "tau": 2 * mpmath.pi, "hypot(1,1)": mpmath.sqrt(2), "radians(30)": mpmath.pi / 6, "degrees(1)": 180 / mpmath.pi,
        "stdev(1,2,4)": mpmath.sqrt(mpmath.mpf(7) / 3), "stdev(1.5,2,4,8)": mpmath.sqrt((mpmath.mpf("1.5")**2 + 84 - mpmath.mpf("15.5")**2 / 4) / 3),
    }  # fmt: skip
    double = {
        "sin(1)": mpmath.sin(1), "cos(1)": mpmath.cos(1), "tan(1)": mpmath.tan(1), "asin(0.5)": mpmath.asin(0.5), "acos(0.5)": mpmath.acos(0.5),
        "atan(2)": mpmath.atan(2), "atan2(1,-2)": mpmath.atan2(1, -2), "sinh(1)": mpmath.sinh(1), "cosh(1)": mpmath.cosh(1), "tanh(1)": mpmath.tanh(1),
        "exp(1.5)": mpmath.exp(1.5), "ln(10)": mpmath.log(10), "log(10)": mpmath.log(10), "log(7,3)": mpmath.log(7, 3), "log2(10)": mpmath.log(10, 2),
        "log10(2)": mpmath.log10(2), "cbrt(2)": mpmath.cbrt(2), "sind(10)": mpmath.sin(mpmath.pi / 18), "cosd(10)": mpmath.cos(mpmath.pi / 18),
        "tand(10)": mpmath.tan(mpmath.pi / 18), "sin(1)^2": mpmath.sin(1) ** 2, "2^sin(1)": 2 ** mpmath.sin(1), "sin(1)*3+2": 3 * mpmath.sin(1) + 2,
        "5 % sin(1)": mpmath.mpf(5) - 5 * mpmath.sin(1), "5 // sin(1)": mpmath.mpf(5), "1/sin(1)": 1 / mpmath.sin(1), "sqrt(sin(1))": mpmath.sqrt(mpmath.sin(1)),
        "round(sin(1),3)": mpmath.mpf("0.841"), "abs(-sin(1))": mpmath.sin(1), "-sin(1)": -mpmath.sin(1), "floor(sin(1)*10)": mpmath.mpf(8),
    }  # fmt: skip
    exact_degrees = [[f"sind({d})", v] for d, v in ((0, "0"), (30, "0.5"), (90, "1"), (150, "0.5"), (180, "0"), (210, "-0.5"), (270, "-1"),
                     (330, "-0.5"), (390, "0.5"), (-30, "-0.5"))]  # fmt: skip
    exact_degrees += [[f"cosd({d})", v] for d, v in ((0, "1"), (60, "0.5"), (90, "0"), (120, "-0.5"), (180, "-1"), (240, "-0.5"),
                      (270, "0"), (300, "0.5"), (360, "1"))]  # fmt: skip
    exact_degrees += [
        [f"tand({d})", v] for d, v in ((0, "0"), (45, "1"), (135, "-1"), (180, "0"), (225, "1"), (-45, "-1"))
    ]
    counts = {f"comb({n},{k})": str(comb(n, k)) for n, k in ((10, 0), (10, 10), (10, 3), (10, 7), (52, 5), (3, 4))}
    return {
        "modulo": modulo, "round": round_, "exact": dict(exact_degrees) | counts,
        "fifty": {name: mpmath.nstr(value, 55) for name, value in irrational.items()},
        "double": {name: mpmath.nstr(value, 20) for name, value in double.items()},
    }  # fmt: skip


def main() -> None:
    subjects = {
        "intervals": intervals,
        "pairs": pairs,
        "power": power,
        "drop": drop,
        "draw": draw_,
        "arithmetic": arithmetic,
    }
    for name, make in subjects.items():
        (HERE / f"{name}.json").write_text(json.dumps(make(), indent=None, separators=(", ", ": ")) + "\n")


if __name__ == "__main__":
    main()
