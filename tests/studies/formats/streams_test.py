"""What the formats are trained on is the same but for the format."""

import collections
import dataclasses

import jax
import numpy as np
import pytest

from experiments.configs import formats_smoke
from raml_jax import parsing
from raml_jax.config import formats as config_lib
from raml_jax.studies.formats import streams as streams_lib
from raml_jax.studies.formats import study
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.checking import parser


@pytest.fixture(scope="module")
def config():
  return config_lib.parse(formats_smoke.get_config().to_dict())


@pytest.fixture(scope="module")
def planned(config):
  return study.plan(config)


def _text(stream) -> str:
  return vocab.decode(stream.tokens_T)


def _examples(stream) -> list[str]:
  """Without the signs around them."""
  return _text(stream)[1:-1].split(vocab.END)


def _question(text: str) -> str:
  if text.startswith("Input"):
    return text.split("\n")[1]
  return text.removeprefix("$").partition("=")[0]


def test_every_example_is_distinct_and_right_by_the_parser(config, planned):
  for run in streams_lib.runs(config):
    for stream in planned.streams[run.name]:
      texts = _examples(stream)
      assert len(texts) == run.size == len(set(map(_question, texts)))
      right = [parser.check(text + vocab.END, 10).right for text in texts]
      assert np.mean(right) < 0.2 if run.kind == "shuffled" else all(right)


def test_seeds_differ_and_formats_and_sizes_share_their_questions(
  config, planned
):
  asked = {
    run: [list(map(_question, _examples(s))) for s in planned.streams[run.name]]
    for run in streams_lib.runs(config)
  }
  for run, some_S in asked.items():
    assert some_S[0] != some_S[1]
    for other, more_S in asked.items():
      if run.size <= other.size:
        for some, more in zip(some_S, more_S):
          assert more[: run.size] == some


def test_shuffled_answers_are_those_of_the_others(config, planned):
  (shuffled,) = (r for r in streams_lib.runs(config) if r.kind == "shuffled")

  def answers(run):
    texts = _examples(planned.streams[run.name][0])
    return collections.Counter(text.partition("=")[2] for text in texts)

  assert answers(shuffled) == answers(shuffled._replace(kind=""))


def test_no_question_of_an_exam_is_trained_on_and_all_formats_have_one_exam(
  planned,
):
  trained = {
    frozenset(_question(text).split("+"))
    for streams in planned.streams.values()
    for stream in streams
    for text in _examples(stream)
  }
  exams = [
    [vocab.decode(p).removeprefix(vocab.END) for p in exam.prompt_BxT]
    for exam in planned.exams.values()
  ]
  first, *others = (list(map(_question, exam)) for exam in exams)
  assert all(other == first for other in others)
  assert not trained & {frozenset(question.split("+")) for question in first}


def test_an_exam_with_the_sign_in_front_reads_like_the_stream(config, planned):
  for run in streams_lib.runs(config):
    stream = planned.streams[run.name][0]
    text = _text(stream)
    assert text.count(vocab.END) == 1 + run.size
    for start, example in zip(stream.start_E, _examples(stream), strict=True):
      assert text[start - 1 :].startswith(vocab.END + example + vocab.END)
  for (_, protocol), exam in planned.exams.items():
    for prompt_T in exam.prompt_BxT:
      led = vocab.decode(prompt_T).startswith(vocab.END)
      assert led == (protocol == "led")


def _windows(config, planned, run, seed, batches=20):
  """The text of windows of one seed's stream."""
  source = streams_lib.source(config, run, planned.streams[run.name], 10_000)
  one = jax.tree.map(lambda leaf: leaf[seed], source)
  rows = jax.jit(jax.vmap(one.batch))(
    jax.random.split(jax.random.key(0), batches)
  )
  stream = planned.streams[run.name][seed]
  padded = np.pad(stream.role_T, (0, source.width))
  found = []
  for tokens_T, role_T in zip(
    np.asarray(rows.tokens_BxT).reshape(-1, source.width),
    np.asarray(rows.role_BxT).reshape(-1, source.width),
  ):
    text = vocab.decode(tokens_T)
    at = _text(stream).find(text)
    assert at >= 0
    # Roles of the same text may differ only where the text occurs again.
    if _text(stream).count(text) == 1:
      np.testing.assert_array_equal(padded[at:][: source.width], role_T)
    found.append(text)
  return found


def test_windows_begin_with_questions(config, planned):
  for format in ("reversed", "simplified"):
    run = streams_lib.Run(format, config.sizes[format][0])
    texts = _windows(config, planned, run, 1)
    examples = _examples(planned.streams[run.name][1])
    whole = {text.split(vocab.END)[0] for text in texts}
    assert whole <= set(examples) and len(whole) > run.size / 2


def test_cut_windows_begin_anywhere(config, planned):
  run = streams_lib.Run("plain", config.sizes["plain"][-1], "cut")
  texts = _windows(config, planned, run, 0)
  examples = _examples(planned.streams[run.name][0])
  cut = [not any(map(t.startswith, examples)) for t in texts]
  # Of about 9 places in an example, a few look like the beginning of another.
  assert np.mean(cut) > 0.5


def test_an_update_has_nearly_the_same_tokens_in_every_format(config, planned):
  for run in streams_lib.runs(config):
    streams = planned.streams[run.name]
    source = streams_lib.source(config, run, streams, 10_000)
    tokens = source.size * source.width
    assert abs(tokens - config.tokens) <= source.width / 2


@pytest.mark.parametrize(
  ("changed", "message"),
  [
    ({"windows": {"plain": 5}}, "config.windows.plain = 5: must be at least"),
    ({"sizes": {"plain": (1, 50)}}, "config.sizes.plain = (1, 50): 1 examples"),
    ({"sizes": {"plain": (50, 99)}}, "config.sizes: count = 99: only"),
    ({"measure": {"questions": 50, "threshold": 0.9}}, "config.measure.q"),
  ],
)
def test_impossible_sizes_are_named_in_one_line(config, changed, message):
  small = dataclasses.replace(
    config,
    digits=1,
    sizes={"plain": (50, 60)},
    cut={},
    measure=config_lib.Measure(5, 0.9),
  )
  mapping = parsing.plain(small) | {"windows": {"plain": 20}} | changed
  with pytest.raises(parsing.ConfigError) as error:
    study.plan(config_lib.parse(mapping))
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
