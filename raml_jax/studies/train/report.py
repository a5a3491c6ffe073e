"""The report of one decoder: claims, tests, samples, some answers, figures."""

from __future__ import annotations

from raml_jax import statistics
from raml_jax.config import train as config_lib
from raml_jax.plotting import train as plotting
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "train"


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  metrics = workdir.read_metrics()
  lines = [
    "# A decoder on arithmetic",
    "",
    *_setting(config),
    "",
    *_decided(config, claims),
    "",
    "## Tests",
    *_tests(config, results),
    *_samples(config, results),
    "",
    "## Training",
    *_course(metrics),
    "",
    "## Answers",
    *_answers(config, results),
    "",
    "## Figures",
    "",
    *report.figures(workdir, plotting.TABLE, results, config, metrics),
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config: config_lib.Train) -> list[str]:
  """What was run, in a few lines."""
  task, model, fit = config.task, config.model, config.fit
  options = ", ".join(f"{k} = {v}" for k, v in task.options.items())
  weights = ", ".join(f"{k} {v:g}" for k, v in fit.weights.items() if v)
  drawn = "fresh examples"
  if config.data.variants:
    drawn += f", each one of the variants {', '.join(config.data.variants)}"
  if config.data.dataset is not None:
    drawn = f"examples of {config.data.dataset}"
  return [
    f"Questions: {task.family} ({options}), base {task.base}, in the"
    f" {task.format} format. Decoder: {model.layers} layers, width"
    f" {model.width}, {model.heads} heads, {model.positions} positions,"
    f" {model.attention} attention, {model.dtype}. {fit.steps} updates of"
    f" {fit.batch} {drawn}; AdamW, learning rate {fit.learning_rate:g},"
    f" {fit.warmup} updates of warm-up, cosine decay; weights in the loss:"
    f" {weights}. {config.seeds} training seeds; every test asks"
    f" {config.measure.questions} different questions that training never"
    " draws.",
    "",
    tables.READING,
  ]


def _decided(config, claims) -> list[str]:
  if config.seeds == 1:
    return ["## Claims", "", "None: an interval needs two seeds."]
  return tables.claims(claims)


def _share(right_SxB) -> str:
  """Over seeds; of a single one, over its questions."""
  if len(right_SxB) > 1:
    return tables.cell(right_SxB.mean(axis=1))
  found = statistics.share_interval(right_SxB.sum(), right_SxB.size)
  estimate, low, high = map(tables.number, found)
  return f"{estimate} [{low}, {high}] (over questions)"


def _tests(config, results) -> list[str]:
  rows = []
  for name in (config_lib.HELD_OUT, *config.measure.tests):
    found = results[f"tests/{name}"]
    changed = config.measure.tests.get(name, {})
    told = ", ".join(f"{k} = {v}" for k, v in changed.items()) or "as trained"
    fields = (
      "right_SxB",
      "well_formed_SxB",
      "sound_SxB",
      "untrained_SxB",
      "shuffled_SxB",
    )
    rows.append([name, told, *(_share(found[field]) for field in fields)])
  head = (
    "test",
    "questions",
    "exact match",
    "well formed",
    "every step true",
    "exact match, untrained",
    "exact match, other question's answer",
  )
  return tables.table(head, rows)


def _samples(config, results) -> list[str]:
  found = results.get("samples")
  if found is None:
    return []
  rows = []
  for i, k in enumerate(found["k_K"]):
    # A perfect model has an mG-Pass@k of 1 for even k only.
    sure = "" if k % 2 else _mean(found["mg_pass_SxK"][:, i])
    rows.append([str(k), _mean(found["pass_SxK"][:, i]), sure])
  n, t = config.measure.samples, config.measure.temperature
  return [
    "",
    f"{n} answers sampled at temperature {t:g} to each held-out question:",
    *tables.table(("k", "Pass@k", "mG-Pass@k, even k"), rows),
  ]


def _mean(share_S) -> str:
  if len(share_S) > 1:
    return tables.cell(share_S)
  return tables.number(float(share_S[0]))


def _course(metrics) -> list[str]:
  rows = [
    [
      str(line["step"]),
      *(
        tables.number(line["metrics"][name]["mean"])
        for name in ("loss", "exact_match", "padding")
      ),
    ]
    for line in metrics
  ]
  head = ("updates", "loss", "exact match, validation", "share of padding")
  return tables.table(head, rows)


def _answers(config, results) -> list[str]:
  """Some of the first seed's, as text."""
  lines = []
  for name in (config_lib.HELD_OUT, *config.measure.tests):
    found = results[f"tests/{name}"]
    lines += ["", f"{name}, first seed:", "", "```text"]
    for text, right in zip(found["answers"], found["right_SxB"][0]):
      verdict = "right" if right else "WRONG"
      lines.append(f"{verdict}: {str(text)!r}")
    lines.append("```")
  return lines
