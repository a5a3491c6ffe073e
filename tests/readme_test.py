"""What the README shows works as it stands there."""

import re

import jax.numpy as jnp
import pytest


def _example(root, name):
  text = (root / "README.md").read_text()
  pattern = rf"<!-- example: {name} -->\n```python\n(.*?)```"
  (found,) = re.findall(pattern, text, re.DOTALL)
  return found


def test_the_ten_lines_of_maml_learn(root):
  """Lines through the origin: one step from the mean slope of the tasks."""

  def loss(params, data):
    return jnp.mean((data[0] * params["slope"] - data[1]) ** 2)

  code = _example(root, "maml")
  lines = [line for line in code.splitlines() if line.strip()]
  assert len(lines) <= 12  # two of them imports
  names = {"loss": loss, "params": {"slope": jnp.zeros(())}}
  exec(code, names)
  x_BxN = jnp.linspace(-1.0, 1.0, 12).reshape(2, 6)
  data = x_BxN, x_BxN * jnp.array([[2.0], [4.0]])
  state, losses = (names["theta"], names["opt_state"]), []
  for _ in range(300):
    *state, value = names["step"](*state, data, data)
    losses.append(float(value))
  assert losses[-1] < 0.9 * losses[0]
  assert 0.2 < float(state[0]["start"]["slope"]) < 4.0


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
