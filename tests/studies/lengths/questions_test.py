"""What is trained on and what is asked: no overlap, and nothing longer."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.configs import lengths_smoke
from raml_jax import parsing
from raml_jax.config import lengths as config_lib
from raml_jax.models import positions as positions_lib
from raml_jax.studies.lengths import questions
from raml_jax.studies.lengths import study
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import splits
from raml_jax.tasks.arithmetic.checking import parser

SCHEMES = ("learned", "abacus")


def _config(**fields):
  config = config_lib.parse(lengths_smoke.get_config().to_dict())
  arm = dataclasses.replace(config.formats["simplified"], digits=2)
  return dataclasses.replace(
    config, formats={"mirrored": arm}, schemes=SCHEMES, **fields
  )


@pytest.fixture(scope="module")
def config():
  return _config()


@pytest.fixture(scope="module")
def world(config):
  return study.world(config, "mirrored")


@pytest.fixture(scope="module")
def rows(world):
  """Training batches, as one."""
  keys = jax.random.split(jax.random.key(3), 12)
  source = world.phases["learned"].source
  batches = [source.batch(key) for key in keys]
  return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *batches)


def _operands(text):
  return [int(number) for number in text[1:].split("=")[0].split("+")]


def test_mirrored_sums_are_the_same_on_the_device_and_on_the_host(config):
  family = questions.trained(config, "mirrored")
  key = jax.random.key(1)
  drawn = family.sample(key, 64)
  written = family.write(family.questions(key, 64))
  for one, other in zip(jax.tree.leaves(drawn), jax.tree.leaves(written)):
    np.testing.assert_array_equal(one, other)


def test_mirrored_sums_turned_back_are_right_by_the_parser(config):
  """Against Python's own sums of the numbers read backwards."""
  family = questions.trained(config, "mirrored")
  for one in family.questions(jax.random.key(2), 32):
    text = vocab.decode(family.write([one]).tokens_L[0])
    x, y, total = (
      int(number[::-1])
      for number in text.strip("$|").replace("=", "+").split("+")
    )
    assert x + y == total
    assert (x, y) == one.numbers
    turned = questions.turned(text)
    assert parser.check_answer(turned).right
    assert questions.turned(turned) == text


def test_only_held_out_questions_of_the_stated_length_are_asked(world):
  exam = world.exam
  found = questions.texts(
    exam, "mirrored", np.zeros_like(exam.asked.prompt_BxT)
  )
  assert len(set(found)) == len(found)
  for text, digits in zip(found, exam.digits_B):
    numbers = _operands(text)
    assert splits.contains("test", numbers)
    assert len(str(max(numbers))) == digits
  assert set(exam.digits_B) == {1, 2, 3, 4}


def test_all_questions_are_asked_where_there_are_fewer_than_wanted():
  """Of one digit, 100 sums in all: those in the test split, each once."""
  exam = questions.exam(_config(questions=60), "mirrored")
  every = sum(
    splits.contains("test", (x, y)) for x in range(10) for y in range(10)
  )
  assert 0 < every < 60
  counts = np.bincount(exam.digits_B)[1:]
  np.testing.assert_array_equal(counts, [every, 60, 60, 60])


def test_more_questions_than_there_are_is_one_line(monkeypatch):
  monkeypatch.setattr(questions, "_held_out", lambda radix, digits: 10**6)
  with pytest.raises(parsing.ConfigError, match="config.questions: count"):
    study.world(_config(questions=60), "mirrored")


def test_nothing_longer_than_stated_is_trained_on(rows):
  examples = "".join(vocab.decode(row_T) for row_T in rows.tokens_BxT)
  lengths = set()
  for text in examples.rstrip("|").split("|"):
    numbers = [int(n[::-1]) for n in text[1:].split("=")[0].split("+")]
    assert splits.contains("train", numbers)
    lengths.add(len(str(max(numbers))))
  assert lengths == {1, 2}


def _table_gradient(world, scheme, rows):
  """Length of the gradient of every row of the table of positions."""
  phase, model = world.phases[scheme], world.models[scheme]
  params = model.init(jax.random.key(0))
  grads, _, _ = jax.jit(phase.objective.grads)(
    params, (), rows, jax.random.key(5)
  )
  return np.linalg.norm(grads["position"]["embedding"], axis=1)


def test_learned_rows_beyond_training_exist_and_are_never_trained(
  world, config, rows
):
  length_R = _table_gradient(world, "learned", rows)
  longest = questions.trained(config, "mirrored").context
  assert (length_R[longest:] == 0).all()
  # The last token of an example has nothing to predict.
  assert (length_R[: longest - 1] > 0).all()
  asked = world.exam.asked
  needed = asked.prompt_BxT.shape[1] + asked.new_tokens
  assert len(length_R) >= needed > longest


def test_every_place_that_is_asked_of_abacus_positions_is_trained(world, rows):
  length_R = _table_gradient(world, "abacus", rows)
  assert (length_R > 0).all()
  tokens_BxT = jnp.asarray(vocab.encode("$9999+9999=89991$|")[None])
  places_BxT, _ = positions_lib.digit_places(tokens_BxT, jnp.zeros(1, int), 10)
  assert int(places_BxT.max()) == len(length_R) - 1


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
