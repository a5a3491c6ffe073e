"""Sampling: what is written, what is drawn from, when it ends."""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import sampling
from raml_jax.tasks import vocab
from tests.models import gpt_oracle

PROMPTS = ("12+34=", "7=", "1 2 3 4", "9")
NEW = 6
WIDTH = max(map(len, PROMPTS))
prompt_BxT = jnp.stack([vocab.pad(vocab.encode(p), WIDTH) for p in PROMPTS])


def make(**options):
  options = {"context": WIDTH + NEW, "layers": 1, **options}
  model = gpt_oracle.make(**options)
  return model, gpt_oracle.random_params(model)


@functools.cache
def compiled(model, new, rule):
  def sample(params, key, prompt, stop):
    return sampling.sample(
      model, params, key, prompt, new, stop=stop, rule=rule
    )

  return gpt_oracle.quick(sample)


def run(model, params, prompt=prompt_BxT, new=NEW, stop=-1, rule=None):
  sample = compiled(model, new, rule or sampling.GREEDY)
  return sample(params, jax.random.key(3), prompt, stop)


@pytest.mark.parametrize(
  "options",
  [
    {"positions": "learned", "layers": 2},
    {"positions": "rotary", "attention": "linear"},
    {"positions": "abacus", "loops": 2},
  ],
)
def test_greedy_is_the_argmax_of_the_uncached_model(options):
  """Each prompt alone, without padding or cache, one token at a time."""
  model, params = make(**options)
  out = run(model, params)
  for b, text in enumerate(PROMPTS):
    tokens = list(vocab.encode(text))
    for n in range(NEW):
      logits, _, _ = gpt_oracle.forward(params, tokens, model.options)
      log = logits[-1] - np.log(np.exp(logits[-1]).sum())
      tokens.append(int(np.argmax(log)))
      np.testing.assert_allclose(
        out.log_probability_BxN[b, n], log.max(), atol=1e-4
      )
    np.testing.assert_array_equal(out.tokens_BxN[b], tokens[len(text) :])
  np.testing.assert_array_equal(out.length_B, NEW)


def test_log_probabilities_are_the_models_own_whatever_the_rule():
  """What teacher forcing gives for the tokens that were drawn."""
  model, params = make()
  rule = sampling.Rule(temperature=2.0, top_k=9, top_p=0.8)
  out = run(model, params, prompt_BxT[:1], rule=rule)
  text = np.concatenate([vocab.encode(PROMPTS[0]), out.tokens_BxN[0]])
  logits, _, _ = gpt_oracle.forward(params, text, model.options)
  logits = logits[len(PROMPTS[0]) - 1 : -1]
  log = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  want = np.take_along_axis(log, np.asarray(out.tokens_BxN[0])[:, None], 1)
  np.testing.assert_allclose(out.log_probability_BxN[0], want[:, 0], atol=1e-4)


def test_every_sequence_ends_at_its_own_stop_token():
  """Tokens up to the stop are those without it; then padding and 0."""
  model, params = make()
  rule = sampling.Rule(temperature=3.0)
  free = run(model, params, rule=rule)
  stop = int(free.tokens_BxN[0, 2])
  out = run(model, params, rule=rule, stop=stop)
  for b, tokens in enumerate(np.asarray(free.tokens_BxN)):
    ends = np.flatnonzero(tokens == stop)
    length = ends[0] + 1 if len(ends) else NEW
    assert out.length_B[b] == length
    np.testing.assert_array_equal(out.tokens_BxN[b, :length], tokens[:length])
    assert (out.tokens_BxN[b, length:] == vocab.PAD).all()
    assert (out.log_probability_BxN[b, length:] == 0).all()
    assert (out.log_probability_BxN[b, :length] < 0).all()
  assert out.length_B[0] == 3 < out.length_B.max()


def test_it_ends_when_all_have_stopped_and_the_last_token_is_never_read():
  """Calls of the model: one for the prompt, one per token but the last."""
  model, params = make()
  calls = []

  def apply(params, tokens, **options):
    jax.debug.callback(lambda: calls.append(tokens.shape[1]))
    return model.apply(params, tokens, **options)

  counted = model._replace(apply=apply)
  free = run(counted, params, prompt_BxT[:1], new=4)
  jax.effects_barrier()
  assert sorted(calls) == [1, 1, 1, prompt_BxT.shape[1]]
  calls.clear()
  stop = int(free.tokens_BxN[0, 1])
  out = run(counted, params, prompt_BxT[:1], new=4, stop=stop)
  jax.effects_barrier()
  assert len(calls) == out.length_B[0] <= 2


def test_a_sequence_does_not_depend_on_the_others():
  model, params = make()
  rule = sampling.Rule(temperature=2.0)
  together = run(model, params, rule=rule)
  changed = run(model, params, prompt_BxT.at[1:, 0].set(5), rule=rule)
  alone = run(model, params, prompt_BxT[:1], rule=rule)
  np.testing.assert_array_equal(together.tokens_BxN[0], changed.tokens_BxN[0])
  np.testing.assert_array_equal(together.tokens_BxN[0], alone.tokens_BxN[0])
  copies = run(model, params, jnp.tile(prompt_BxT[:1], (4, 1)), rule=rule)
  assert (copies.tokens_BxN[0] != copies.tokens_BxN[1]).any()


def oracle(logits_V, rule):
  """Probabilities of a rule, tokens let in one by one."""
  scaled = np.asarray(logits_V, np.float64) / rule.temperature
  order = np.argsort(-scaled, kind="stable")[: rule.top_k]
  p = np.exp(scaled[order])
  p = p / p.sum()
  count = len(order)
  if rule.top_p is not None:
    total, count = 0.0, 0
    while total < rule.top_p and count < len(order):
      total += p[count]
      count += 1
  out = np.zeros(len(scaled))
  out[order[:count]] = p[:count] / p[:count].sum()
  return out


RULES = (
  sampling.Rule(),
  sampling.Rule(temperature=0.5),
  sampling.Rule(top_k=1),
  sampling.Rule(top_k=3, temperature=2.0),
  sampling.Rule(top_k=99),
  sampling.Rule(top_p=0.5),
  sampling.Rule(top_p=1e-6),
  sampling.Rule(top_p=1.0),
  sampling.Rule(temperature=1.5, top_k=6, top_p=0.7),
)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_supports_and_frequencies_are_those_of_the_rule(rule):
  """Probabilities agree with NumPy, and 4,000 draws with probabilities."""
  rng = np.random.default_rng(5)
  logits_BxV = jnp.asarray(rng.normal(size=(20, 9)) * 1.5, jnp.float32)
  got = np.asarray(jax.nn.softmax(sampling.restricted(logits_BxV, rule)))
  want = np.stack([oracle(row, rule) for row in logits_BxV])
  np.testing.assert_array_equal(got > 0, want > 0)
  np.testing.assert_allclose(got, want, atol=1e-5)
  draws = 4000
  keys = jax.random.split(jax.random.key(0), draws)
  many = jnp.tile(logits_BxV[:1], (draws, 1))
  tokens = jax.jit(sampling.draw, static_argnums=2)(keys, many, rule)
  frequency = np.bincount(tokens, minlength=9) / draws
  error = np.sqrt(want[0] * (1 - want[0]) / draws)
  assert (np.abs(frequency - want[0]) <= 5 * error + 1e-9).all()


def test_equally_probable_tokens_are_let_in_together():
  logits = jnp.array([[2.0, 1.0, 1.0, 0.0]])
  kept = sampling.restricted(logits, sampling.Rule(top_k=2)) > -jnp.inf
  np.testing.assert_array_equal(kept, [[True, True, True, False]])


def test_prompts_are_moved_to_the_right():
  tokens, pads = sampling.to_the_right(jnp.array([[4, 5, 0, 0], [1, 2, 3, 4]]))
  np.testing.assert_array_equal(tokens, [[0, 0, 4, 5], [1, 2, 3, 4]])
  np.testing.assert_array_equal(pads, [2, 0])


@pytest.mark.parametrize(
  "options, message",
  [
    ({"temperature": -1.0}, "temperature: -1.0 must be 0 or more"),
    ({"top_k": 0}, "top_k: 0 must be None or 1 or more"),
    ({"top_p": 1.5}, "top_p: 1.5 must be None or above 0 and at most 1"),
  ],
)
def test_errors_name_the_field_the_value_and_what_is_allowed(options, message):
  with pytest.raises(ValueError, match=message):
    sampling.Rule(**options)


if __name__ == "__main__":
  sys.exit(pytest.main([__file__]))
