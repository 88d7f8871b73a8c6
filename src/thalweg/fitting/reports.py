"""The text that ``thalweg solve`` prints of its fits."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np

from thalweg import analysis
from thalweg.analysis.components import names_of
from thalweg.analysis.spread import judged, observations_of, priors_of
from thalweg.chain.losses import PoissonDeviance, RobustError
from thalweg.chain.problem import Problem
from thalweg.engine.endings import Ending, Outcome, why
from thalweg.fitting.sameness import Sameness, is_regression
from thalweg.fitting.search import Search
from thalweg.methods.method import Bounded, Method
from thalweg.problems.models import model_of

MOST_VARIANTS = 40  # in a table, else the best half as many
MOST_CORRELATED = 8  # parameters in a matrix of correlations
UNLIKE = 3.0  # how often the residuals of one response may be those of another without a word
MOST_COMPONENTS = 10  # of x in a table
ENDS = sorted({ending.outcome for ending in Ending})  # a fit does not cycle or move


def check_comparable(models: Sequence[Problem]) -> None:
    """ValueError for several fits, one of which has no likelihood by which they could be compared."""
    if len(models) > 1 and any(priors_of(model) for model in models):
        raise ValueError(
            f"{len(models)} models were given with priors, but models are compared by AIC, which is of observations "
            "alone; fit one --model at a time."
        )
    if len(models) > 1 and (robust := [m.loss.kind for m in models if isinstance(m.loss, RobustError)]):
        raise ValueError(
            f"{len(models)} models were given with the loss {robust[0]!r}, but models are compared by AIC, which a "
            "robust loss has not; fit one --model at a time."
        )


def succeeded(fits: Any, methods: Mapping[str, Method]) -> bool:
    """Whether a fit is an answer: it converged, stalled at a finite loss, often at a minimum, or is of a method that
    searches a domain by values alone and ends with its steps."""
    searching = [name for name, method in methods.items() if isinstance(method, Bounded) and not _told(method)]
    ended = np.isin(fits.outcome.values, (Outcome.CONVERGED, Outcome.STALLED))
    if searching:
        ended |= np.isin(fits.method.values, searching)[:, None] & (fits.outcome.values == Outcome.EXHAUSTED)
    return bool((np.isfinite(fits.loss.values) & ended).any())


def _told(method: Any) -> bool:
    """Whether a method keeps to bounds where it is told to, and not always."""
    return any(field.name == "bounded" for field in fields(method))


def report(fits: Any, problem: Problem) -> list[str]:
    """Every line: the best fit of a regression, a row for each variant, and why fits did not converge."""
    with np.errstate(all="ignore"):  # infinity and NaN are results, here as in the fits
        loss = np.asarray(fits.loss, np.float64)
        finite = np.where(np.isfinite(loss), loss, np.inf)
        reached = np.isfinite(loss) & (finite <= Sameness.of(problem, fits.attrs["dtype"]).ceiling(finite.min()))
        order = np.argsort(finite.min(axis=1), kind="stable")
        shown = np.sort(order) if len(order) <= MOST_VARIANTS else order[: MOST_VARIANTS // 2]
        some = fits.isel(variant=shown)
        lines = [_heading(fits, problem), "", *(_best_fit(fits, problem) if is_regression(problem) else [])]
        lines += aligned(_variants(some, reached[shown]))
        if len(shown) < len(order):
            lines.append(f"(the best {len(shown)} of {len(order)} variants by loss)")
        if not is_regression(problem) and problem.dimension <= MOST_COMPONENTS:
            lines += ["", *aligned(_points(some, names_of(problem)))]
        endings = [*_moved(fits), *_endings(fits, reached)]
    return [*lines, *([""] if endings else []), *endings]


def searched(seen: Search | None, problem: Problem) -> list[str]:
    """What a search for a start did, and how sure it is of the best."""
    if seen is None:
        return []
    if seen.fitted == 1:
        return ["no start was needed: the model is linear in its parameters"]
    drawn = f"{seen.drawn} points were drawn by the scales of data and model"
    model = model_of(problem)
    given = [name for name in problem.chain.spaces[0].labels if model and name in model.started | model.ranged]
    what = f"only {', '.join(given)} had a start or a range" if given else "no start was given"
    lines = [f"{what}: {drawn}, and {seen.fitted} of them fitted"]
    if not seen.minima:
        return [*lines, "none of these fits came to an end; give a start or a range of a parameter"]
    which = "one minimum was" if len(seen.minima) == 1 else f"{len(seen.minima)} minima of different height were"
    sure = f"another fit would find a new one with probability {100 * seen.unseen:.2g} %"
    lines.append(f"{which} found, the lowest by {seen.reached} of {seen.ended} fits that ended; {sure}")
    if seen.reached == 1 and seen.ended > 1:
        lines.append("only one fit reached the lowest, so that a lower one may exist; try more starts, or ranges")
    return lines


def comparison(found: Sequence[tuple[Any, Problem]]) -> tuple[int, list[str]]:
    """Which of several models of one table has the lowest AIC, and the lines that compare them, with an F-test of each
    in the next that has more parameters."""
    from scipy.special import chdtrc  # which takes a while to import

    known = [analysis.criteria(fits, problem).to_dict() for fits, problem in found]
    shown = ("parameters", "sum of squares", "R squared", "AIC", "AICc", "BIC")
    formulas = [model.formula.text if (model := model_of(problem)) else problem.name for _, problem in found]
    rows = [[text, *(f"{one[name]:.6g}" for name in shown)] for text, one in zip(formulas, known, strict=True)]
    lines = aligned([["model", *shown], *rows])
    for i, j in pairwise(range(len(found))):
        i, j = (i, j) if known[i]["parameters"] < known[j]["parameters"] else (j, i)
        more = known[j]["parameters"] - known[i]["parameters"]
        if more > 0 and isinstance(found[i][1].loss, PoissonDeviance):
            fall = 2 * (known[j]["log likelihood"] - known[i]["log likelihood"])
            told = f"deviance falls by {fall:.5g} on {more:.0f}, p {chdtrc(more, max(fall, 0.0)):.3g}"
        elif more > 0 and known[j]["degrees of freedom"] > 0:
            f, more, left, p = analysis.f_test(*found[i], *found[j])
            told = f"F {f:.5g} on {more:.0f} and {left:.0f}, p {p:.3g}"
        else:
            continue
        test = "likelihood ratio" if told.startswith("deviance") else "F-test"
        lines += ["", f"{test} of {formulas[i]} in {formulas[j]}: {told}"]
        lines.append("(which holds where the first is a special case of the second)")
    best = int(np.argmin(np.nan_to_num([one["AIC"] for one in known], nan=np.inf, neginf=-np.inf)))
    return best, [*lines, "", f"the lowest AIC has {formulas[best]}"]


def _heading(fits: Any, problem: Problem) -> str:
    parts = [f"{fits.sizes['start']} start{'s' if fits.sizes['start'] > 1 else ''}"]
    model = model_of(problem)
    if is_regression(problem):
        loss, errors = problem.loss, model.sigma if model and model.sigma else "sigma"
        means = [f" with errors {errors} ({'absolute' if loss.absolute_sigma else 'relative'})"]
        means = [] if loss.sigma is None else means
        means += [" of counts"] if isinstance(loss, PoissonDeviance) else []
        means += [f" with the loss {loss.kind} beyond {loss.f_scale:g}"] if isinstance(loss, RobustError) else []
        means += [f" and priors of {', '.join(priors_of(problem))}"] if priors_of(problem) else []
        parts.insert(0, f"{observations_of(problem)} observations{''.join(means)}")
    if model:
        parts.insert(0, model.text)
    return f"{problem.name}: {', '.join(parts)}"


def _best_fit(fits: Any, problem: Problem) -> list[str]:
    """Parameters with standard errors, what is left, and how the parameters go together."""
    best = analysis.best_fit(fits)
    spread = analysis.uncertainty(best, problem)
    errors, table = spread.standard_error.values, analysis.fit_table(best, problem)[:-2]  # but what stands below
    names = [*names_of(problem), *table.index[len(errors) :]]
    rows = [
        [name, f"{x:#.9g}", note or f"{error:#.5g}"]
        for name, (x, error, note) in zip(names, table.itertuples(index=False), strict=True)
    ]
    outcome, reason = (_meaning(best, name, best[name]) for name in ("outcome", "reason"))
    ended = f"{outcome} ({_why(fits, reason)})"
    freedom = int(spread.degrees_of_freedom)
    lines = [
        *aligned([["parameter", "value", "standard error"], *rows]),
        "",
        *_criteria(best, problem),
        *_responses(best, problem),
        f"the best fit is start {int(best.start)} of {best.variant.item()}, {ended}",
    ]
    free = np.flatnonzero(~spread.at_bound.values)
    open_ = free[~np.isfinite(errors[free])]
    if 0 < len(open_) < len(free):
        which = ", ".join(names[i] for i in open_)
        lines.append(
            f"standard errors of {which} are NaN: here the data do not determine them; leave out what they belong to, "
            "or fix a parameter"
        )
        free = np.setdiff1d(free, open_)
    if not np.isfinite(errors[free]).all():
        beyond = isinstance(problem.loss, RobustError) and np.isfinite(spread.correlation.values[np.ix_(free, free)])
        lines.append(f"standard errors are NaN: {_undetermined(freedom, bool(np.all(beyond)))}")
    if np.isfinite(errors[free]).all() and 1 < len(free) <= MOST_CORRELATED:
        matrix = [[names[i], *(f"{spread.correlation.values[i, j]:.4f}" for j in free if j <= i)] for i in free]
        lines += ["", *aligned([["correlation", *(names[i] for i in free)], *matrix])]
    return [*lines, ""]


def _criteria(best: Any, problem: Problem) -> list[str]:
    """What is left of the data, and how likely they are, as far as the loss has it."""
    known, loss = analysis.criteria(best, problem).to_dict(), problem.loss
    freedom, squares = f"degrees of freedom {known['degrees of freedom']:.0f}", f"{known['sum of squares']:.6g}"
    left = f"residual standard deviation {known['residual standard deviation']:.6g}, {freedom}"
    likely = ", ".join(f"{name} {known[name]:.6g}" for name in ("R squared", "AIC", "AICc", "BIC"))
    likely = likely.partition(", ")[0] if priors_of(problem) else likely
    match loss:
        case PoissonDeviance():
            left = f"deviance {best.loss.item() / loss.factor:.6g}, {freedom}"
            return [f"{left}, Pearson's chi squared {squares}", likely.partition(", ")[2]]
        case RobustError():
            beyond = int(np.sum(np.abs(judged(best, problem).residual) > loss.f_scale))
            likely = f"{loss.kind} loss {best.loss.item():.6g}, {beyond} residuals beyond {loss.f_scale:g}"
    return [f"{left}, sum of squares {squares}", likely]


def _responses(best: Any, problem: Problem) -> list[str]:
    """What is left of each of several responses, and a word where one of them outweighs the others."""
    model = model_of(problem)
    if model is None or model.responses is None:
        return []
    residual = np.asarray(judged(best, problem).residual)
    codes = model.responses.codes(model.predictors[model.responses.column])
    sizes = [float(np.sqrt(np.mean(residual[codes == i] ** 2))) for i in range(len(model.responses.labels))]
    each = [f"{size:.6g} of {name}" for name, size in zip(model.responses.labels, sizes, strict=True)]
    lines = [f"root mean square residual {', '.join(each)}"]
    if problem.loss.sigma is None and max(sizes) > UNLIKE * min(sizes):
        lines.append(
            "without a sigma for each response all weigh by their own units, the largest residuals most; give "
            "{"
            + ", ".join(f"{name!r}: …" for name in model.responses.labels)
            + "} as sigma (--sigma "
            + ",".join(f"{name}=…" for name in model.responses.labels)
            + ")"
        )
    return lines


def _undetermined(freedom: int, beyond: bool) -> str:
    if freedom == 0:
        return "there are as many parameters as observations, so that nothing is left to tell how well they fit"
    if beyond:
        return "too many residuals are beyond f_scale for the loss to be curved; give a larger one"
    return (
        "here the data do not determine every parameter, or the model gives no number; try other starts, or fix "
        "a parameter"
    )


def _variants(fits: Any, reached: np.ndarray) -> list[list[str]]:
    """A row for each variant: its lowest loss, how many starts reached the lowest of all, how they ended, the cost."""
    counted = (fits.evaluations != 0).any(("variant", "start"))
    kinds = [str(kind) for kind in fits.evaluation.values[counted.values]]
    ends = [end.name.lower() for end in ENDS]
    rows = [["variant", "lowest_loss", "reached", *ends, "steps", *(f"{kind}s" for kind in kinds)]]
    lowest = np.fmin.reduce(fits.loss.values, axis=1)
    for i, name in enumerate(fits.variant.values):
        codes, evaluations = fits.outcome.values[i], fits.evaluations.isel(variant=i)
        costs = [np.median(evaluations.sel(evaluation=kind)) for kind in kinds]
        rows.append(
            [
                str(name),
                f"{lowest[i]:.7g}",
                f"{reached[i].sum()} ({reached[i].mean():.1%})",
                *(str(np.sum(codes == end)) for end in ENDS),
                f"{np.median(fits.steps.values[i]):.12g}",
                *("?" if cost < 0 else f"{cost:.12g}" for cost in costs),  # in loops, where they cannot be counted
            ]
        )
    return rows


def _points(fits: Any, names: Sequence[str]) -> list[list[str]]:
    """x at the lowest loss of each variant."""
    points = [analysis.best_fit(fits.isel(variant=i)).x.values for i in range(fits.sizes["variant"])]
    rows = zip(fits.variant.values, points, strict=True)
    return [["x at its lowest loss", *names], *([str(name), *(f"{x:.5g}" for x in point)] for name, point in rows)]


def _moved(fits: Any) -> list[str]:
    """A line where starts lay outside of the bounds."""
    count, many = fits.attrs.get("projected", 0), fits.sizes["start"]
    where = f"{count} of {many} starts" if many > 1 else "the start"
    return [f"{where} lay outside of the bounds, and began at the nearest point there"] if count else []


def _endings(fits: Any, reached: np.ndarray) -> list[str]:
    """A line for each reason for which fits did not converge."""
    lines = []
    for code, reason in enumerate(fits.reason.attrs["flag_meanings"].split()):
        which = (fits.reason.values == code) & (fits.outcome.values != Outcome.CONVERGED)
        if not which.any():
            continue
        outcome = _meaning(fits, "outcome", fits.outcome.values[which][0])
        line = f"{outcome}: {which.sum()} of {which.size} fits ({_why(fits, reason)})"
        if reached[which].any():
            line += f", {reached[which].sum()} at the lowest loss"
        unbegun = int(np.isnan(fits.loss.values[which]).sum())
        if unbegun and reason in ("max_seconds", "interrupted"):
            line += f", {unbegun} before they began"
        lines.append(line)
    return lines


def _why(fits: Any, reason: str) -> str:
    return why(reason).format(**fits.attrs)


def _meaning(fits: Any, name: str, code: Any) -> str:
    return fits[name].attrs["flag_meanings"].split()[int(code)]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns, the first to the left and numbers to the right; rows may end early."""
    most = max(map(len, rows))
    full = [[*row, *[""] * (most - len(row))] for row in rows]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    lines = []
    for name, *cells in full:
        right = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *right]).rstrip())
    return lines
