"""The report of the length study: claims, numbers, answers and figures."""

from __future__ import annotations

from raml_jax.config import lengths as config_lib
from raml_jax.plotting import lengths as plots
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "lengths"
_NOTES = (
  "Questions longer than L digits are never trained on, in any seed; up to L"
  " digits, what is asked is held out from training.",
  "Learned positions: the table has rows for the longest answers of the test,"
  " but those beyond the longest example of training never get a gradient: they"
  " are as they were drawn. What fails there may be the table alone.",
  "Abacus positions: places start at a random one in training, so that every"
  " place of the test has been trained; they count from the first digit"
  " written. Only in the mirrored format, the one they were published with, is"
  " that the place value of the digit. In the scratchpad every digit of a step"
  " is a number of its own.",
  "Exact match is judged by the independent parser, whatever the steps say.",
)


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  lines = [
    "# Length generalisation, by scheme of positions",
    "",
    *_setting(config),
    "",
    *tables.claims(claims),
  ]
  for format in config.formats:
    lines += [
      "",
      f"## Numbers: {plots.FORMATS[format]}",
      *_exact(config, results, format),
      *_failures(config, results, format),
      *_answers(config, results, format),
    ]
  lines += [
    "",
    "## Notes",
    "",
    *(f"- {note}" for note in _NOTES),
    "",
    "## Figures",
    "",
    *report.figures(workdir, plots.TABLE, results, config),
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config: config_lib.Lengths) -> list[str]:
  c = config.network
  arms = "; ".join(
    f"{format}: {arm.fit.steps} updates of {arm.fit.batch} sums with 1 to"
    f" {arm.digits} digits, tested on 1 to {arm.tested}"
    for format, arm in config.formats.items()
  )
  return [
    f"Sums in base {config.base}. A decoder of {c.layers} layers, width"
    f" {c.width}, {c.heads} heads, with each scheme of positions"
    f" ({', '.join(config.schemes)}); {config.seeds} training seeds. {arms}."
    " Every number of digits is alike often in training, and of those every"
    f" number of carries. {config.questions} held-out questions of each number"
    " of digits (all there are, where those are fewer), the same for all.",
    "",
    tables.READING,
  ]


def _exact(config, results, format) -> list[str]:
  """Exact match by length, the untrained networks included."""
  arm = config.formats[format]
  rows = []
  for suffix, note in (("", ""), ("_untrained", ", untrained")):
    for scheme in config.schemes:
      exact_SxN = results[f"{format}/{scheme}{suffix}"]["accuracy_SxN"]
      label = f"{plots.LOOKS[scheme].label}{note}"
      rows.append([label, *(_percent(values_S) for values_S in exact_SxN.T)])
  head = (
    "exact match, %",
    *(_digits(n, arm.digits) for n in arm.lengths),
  )
  return tables.table(head, rows)


def _failures(config, results, format) -> list[str]:
  """What fails beyond the trained length, over all answers there."""
  longer = slice(config.formats[format].digits, None)
  rows = []
  for scheme in config.schemes:
    found = results[f"{format}/{scheme}"]
    kinds = list(found["names_K"])
    shares = [
      found["kind_SxNxK"][:, longer, kinds.index(kind)].mean(axis=1)
      for kind in plots.KINDS
    ]
    more = [
      found[field][:, longer].mean(axis=1)
      for field in ("miscounted_SxN", "begun_SxN", "lucky_SxN")
    ]
    rows.append([plots.LOOKS[scheme].label, *map(_percent, (*shares, *more))])
  head = (
    "beyond L, %",
    *(words for _, _, words in plots.KINDS.values()),
    "*too few or too many steps*",
    "*first L steps right*",
    "*right in spite of a wrong step*",
  )
  return [
    *tables.table(head, rows),
    "",
    "Columns up to *malformed* say what is first wrong, reading from the left,"
    " and add up to all answers; those in italics are shares of all answers"
    " too, whatever else is wrong.",
  ]


def _answers(config, results, format) -> list[str]:
  """The first answers of the first seed, one digit beyond training."""
  at = config.formats[format].digits
  lines = [
    f"{scheme:8} {str(text)!r}"
    for scheme in config.schemes
    for text in results[f"{format}/{scheme}"]["shown_NxE"][at]
  ]
  return [
    "",
    f"First answers of the first seed to sums of {at + 1} digits"
    + (" (operands turned back):" if format == "mirrored" else ":"),
    "",
    "```",
    *lines,
    "```",
  ]


def _percent(values_S) -> str:
  return tables.cell(100 * values_S)


def _digits(n: int, trained: int) -> str:
  return f"{n} digit" + "s" * (n > 1) + " (longer)" * (n > trained)
