"""The report of the study of formats: claims, numbers, settings and figures."""

from __future__ import annotations

import numpy as np

from raml_jax import statistics
from raml_jax.config import formats as config_lib
from raml_jax.plotting import formats as plotting
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.studies.formats import finders
from raml_jax.studies.formats import needed as needed_lib
from raml_jax.studies.formats import summary as summary_lib
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "formats"
_BEGIN = {
  "anywhere": "anywhere",
  "examples": "where an example does",
}


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  summary = results["summary"]
  lines = [
    "# Formats of addition",
    "",
    *_setting(config, summary),
    "",
    tables.READING,
    "",
    *_bounds(config),
    "",
    *tables.claims(claims),
    "",
    "## Numbers",
    *_accuracy(config, summary),
    *_needed(config, summary),
    *_ratios(config, summary),
    *_well_formed(config, results),
    "",
    "## Departures from Lee et al. (2023)",
    "",
    *(f"- {text}" for text in _departures(config)),
    "",
    "## Figures",
    "",
    *report.figures(workdir, plotting.TABLE, summary, config),
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config, summary) -> list[str]:
  sizes = "; ".join(
    f"{plotting.LOOKS[name].label} {', '.join(map(str, sizes))}"
    f" ({_length(summary, name):.0f} tokens each,"
    f" {config.longer[name] * config.fit.steps} updates)"
    for name, sizes in config.sizes.items()
  )
  return [
    f"Additions of up to {config.digits} digits, balanced by digits and"
    f" carries. Numbers of distinct training examples: {sizes}. An update sees"
    f" {config.tokens} tokens, as near as whole windows come to it, of the"
    " examples written one after another; windows begin"
    f" {_BEGIN[config.begin]}. {config.seeds} training seeds, each with"
    " training questions of its own, the same in every format."
    f" {config.measure.questions} held-out questions, the same for all,"
    " answered greedily and judged by the parser.",
    "",
    "Every question of the stream follows the sign that ends an example. *bare*"
    " is the published protocol: the prompt stands alone. *led* puts that sign"
    " in front of it. It is asked where windows begin anywhere, and so may hold"
    " a sign, a whole question or the rest of one.",
  ]


def _length(summary, format) -> float:
  """Mean tokens of an example."""
  tokens, examples = (
    summary[f"{format}/{u}_SxN"] for u in ("tokens", "examples")
  )
  return float((tokens / examples)[:, -1].mean())


def _bounds(config) -> list[str]:
  return [
    f"A model has learned at the first size with at least"
    f" {100 * config.measure.threshold:g} % right answers, interpolated in the"
    " logarithm of the size. Where the last size is not enough, or the first"
    " one is, what is needed is known as a bound only, and a ratio of two such"
    " is taken as the one nearest to 1 that the bounds allow: its sign is never"
    " one that the runs do not show. A seed whose bounds do not tell the sign"
    " counts as 1; if none tells it, the claim stays open. `/curves` compares"
    " whole curves instead, on the average over the logarithm of the size where"
    " both were measured, and needs neither threshold nor bound.",
  ]


_KINDS = {
  "cut": "windows that begin anywhere",
  "shuffled": "answers shuffled",
  "untrained": "untrained",
}


def _accuracy(config, summary) -> list[str]:
  """Exact match of every run and of every control."""
  rows = []
  for format, sizes in config.sizes.items():
    for n, size in enumerate(sizes):
      tokens = summary[f"{format}/tokens_SxN"][:, n].mean()
      cells = [
        tables.cell(summary[f"{format}/{protocol}/right_SxN"][:, n])
        for protocol in summary_lib.protocols(config)
      ]
      cells += [""] * (len(summary_lib.PROTOCOLS) - len(cells))
      label = plotting.LOOKS[format].label
      rows.append([label, str(size), f"{tokens:.0f}", *cells])
  for format, sizes in config.sizes.items():
    for kind, words in _KINDS.items():
      prefix = f"{format}/{kind}"
      if f"{prefix}/bare/right_S" in summary:
        size = 0 if kind == "untrained" else sizes[-1]
        cells = (
          tables.cell(summary[f"{prefix}/{protocol}/right_S"])
          for protocol in summary_lib.PROTOCOLS
        )
        label = f"{plotting.LOOKS[format].label}, {words}"
        rows.append([label, str(size), "", *cells])
  head = ("exact match", "examples", "tokens", *summary_lib.PROTOCOLS)
  return tables.table(head, rows)


def _needed(config, summary) -> list[str]:
  """What every seed needs."""
  rows = []
  for format in config.sizes:
    for protocol in summary_lib.protocols(config):
      for unit in summary_lib.UNITS:
        bounds = summary_lib.bounds(summary, format, protocol, unit)
        rows.append(
          [
            plotting.LOOKS[format].label,
            protocol,
            unit,
            ", ".join(map(_amount, *bounds)),
            _published(format) if unit == "examples" else "",
          ]
        )
  head = (
    f"needed for {100 * config.measure.threshold:g} %",
    "prompt",
    "unit",
    "each seed",
    "published, 3 digits",
  )
  return tables.table(head, rows)


def _amount(low: float, high: float) -> str:
  if np.isinf(high):
    return f"> {2**low:.0f}"
  return f"< {2**high:.0f}" if np.isinf(low) else f"{2**low:.0f}"


def _published(format: str) -> str:
  return str(plotting.PUBLISHED.get(format, "never, up to 10000"))


def _ratios(config, summary) -> list[str]:
  """Geometric means of the ratios of neighbours."""
  rows = []
  protocols = summary_lib.protocols(config)
  for unit, pairs in finders.PAIRS.items():
    for slow, fast in pairs:
      if not {slow, fast} <= set(config.sizes):
        continue
      row = [f"{slow} over {fast}", unit]
      for protocol in protocols:
        value_S, told_S = needed_lib.log_ratio(
          summary_lib.bounds(summary, slow, protocol, unit),
          summary_lib.bounds(summary, fast, protocol, unit),
        )
        ends = [2.0**v for v in statistics.t_interval(value_S)]
        mean, low, high = map(tables.number, ends)
        row.append(f"{mean} [{low}, {high}], told by {told_S.sum()} seeds")
      rows.append(row)
  head = ("ratio of what is needed", "unit", *protocols)
  return tables.table(head, rows)


def _well_formed(config, results) -> list[str]:
  """Whether what is wrong is at least an answer."""
  rows = []
  protocols = summary_lib.protocols(config)
  for format, sizes in config.sizes.items():
    found = results[f"{format}/n{sizes[-1]}"]
    shares = (
      found[f"{protocol}/well_formed_SxB"].mean(axis=1)
      for protocol in protocols
    )
    label = plotting.LOOKS[format].label
    rows.append([label, str(sizes[-1]), *map(tables.cell, shares)])
  return tables.table(("well formed", "examples", *protocols), rows)


def _departures(config: config_lib.Formats) -> list[str]:
  m = config.model
  out = [
    f"{config.digits} digits, {m.layers} layers, {m.heads} heads, width"
    f" {m.width}, {m.positions} positions (there: 3, 6, 6, 384, learned), and"
    " no dropout (there: 0.2).",
    f"Updates of {config.tokens} tokens in every format (there: 65,536 tokens"
    " for plain and reversed, and for scratchpads 16,384 with more updates).",
  ]
  if not config.fit.weights.get("question"):
    out.append("The tokens of a question are not learned; there they are.")
  if config.begin == "examples":
    cut = ", ".join(
      f"{format} ({cut.longer * config.fit.steps} updates on windows of"
      f" {cut.window} tokens)"
      for format, cut in config.cut.items()
    )
    out.append(
      "Windows begin where examples do, so that positions are the same in all;"
      " there they begin anywhere, which is harder to learn from."
      f" The artefact of such windows is measured in more runs: {cut}."
    )
  return [
    *out,
    "An example ends in a sign of its own and not in a newline, which stands"
    " inside scratchpads too.",
    "Held-out questions are separated by a hash, and their reverses with them.",
  ]
