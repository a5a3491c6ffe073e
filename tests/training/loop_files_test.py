"""What training writes, refuses and leaves alone."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.training import checkpoint
from raml_jax.training import loop
from raml_jax.training import workdir as workdir_lib

SEEDS = 3


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Noise:
  """A random number near the seed's own target."""

  target_S: jax.Array

  def batch(self, key):
    return self.target_S + jax.random.normal(key)


def grads(w, extra, target, key):
  loss = (w - target) ** 2
  return w - target, {"loss": loss, "half": loss / 2}, extra


def phase(name="toy", steps=12, **changes):
  fields = dict(
    name=name,
    init=lambda key: jax.random.normal(key),
    objective=loop.Objective(init_extra=lambda params: (), grads=grads),
    source=Noise(jnp.arange(1.0 * SEEDS)),
    optimizer=optax.sgd(0.1),
    steps=steps,
  )
  return loop.Phase(**(fields | changes))


def run(phase, chunk=4, workdir=None, **options):
  return loop.train(
    phase,
    key=jax.random.key(0),
    seeds=SEEDS,
    chunk=chunk,
    workdir=workdir,
    **options,
  )


def poisoned(bad_seed, bad_step, what):
  """A phase whose loss or gradient is NaN for one seed at one step."""

  @jax.tree_util.register_dataclass
  @dataclasses.dataclass(frozen=True)
  class Seeded:
    index_S: jax.Array

    def batch(self, key):
      return self.index_S

  def poison(w, count, index, key):
    hit = (index == bad_seed) & (count == bad_step)
    bad = jnp.where(hit, jnp.nan, 1.0)
    loss = bad if what == "loss" else jnp.float32(1.0)
    return w * (bad if what == "grads" else 1.0), {"loss": loss}, count + 1

  return phase(
    "arm/poisoned",
    objective=loop.Objective(
      init_extra=lambda params: jnp.int32(0), grads=poison
    ),
    source=Seeded(jnp.arange(SEEDS)),
    init=lambda key: jnp.float32(1.0),
  )


@pytest.mark.parametrize("what", ["loss", "grads"])
def test_a_non_finite_step_is_named_with_its_seed_and_not_saved(tmp_path, what):
  workdir = workdir_lib.open_workdir(tmp_path / "w", {})
  with pytest.raises(loop.NonFiniteLoss) as error:
    run(poisoned(2, 6, what), workdir=workdir)
  message = str(error.value)
  assert "arm/poisoned" in message and "\n" not in message
  assert "seed 2 at step 6" in message
  assert [line["step"] for line in workdir.read_metrics()] == [4]
  saved = (workdir.checkpoints / "arm/poisoned").iterdir()
  assert [entry.name for entry in saved] == ["4"]


def test_an_update_that_overflows_in_the_last_step_is_not_saved(tmp_path):
  """The gradient is finite, and no later loss would tell."""
  steep = loop.Objective(
    init_extra=lambda params: jnp.int32(0),
    grads=lambda w, extra, batch, key: (
      jnp.where(extra == 3, 1e30, 0.0),
      {"loss": w},
      extra + 1,
    ),
  )
  workdir = workdir_lib.open_workdir(tmp_path / "w", {})
  with pytest.raises(loop.NonFiniteLoss, match="seed 0 at step 3"):
    run(
      phase(
        objective=steep,
        init=lambda key: jnp.float32(1.0),
        optimizer=optax.sgd(1e30),
        steps=4,
      ),
      chunk=2,
      workdir=workdir,
    )
  assert not (workdir.checkpoints / "toy/4").exists()


def test_metrics_are_means_over_the_chunk_by_seed_and_over_seeds(tmp_path):
  workdir = workdir_lib.open_workdir(tmp_path / "w", {})
  seen = []
  run(
    phase(steps=6),
    workdir=workdir,
    on_chunk=lambda name, step, steps, metrics: seen.append(
      (name, step, steps, metrics)
    ),
  )
  single = workdir_lib.open_workdir(tmp_path / "single", {})
  run(phase(steps=6), chunk=1, workdir=single)
  lines = [
    json.loads(line)
    for line in (workdir.path / "metrics.jsonl").read_text().splitlines()
  ]
  each_TxS = np.array(
    [line["metrics"]["loss"]["per_seed"] for line in single.read_metrics()]
  )
  assert [(line["phase"], line["step"]) for line in lines] == [
    ("toy", 4),
    ("toy", 6),
  ]
  for line, part_TxS in zip(lines, (each_TxS[:4], each_TxS[4:])):
    loss = line["metrics"]["loss"]
    np.testing.assert_allclose(loss["per_seed"], part_TxS.mean(0), rtol=1e-5)
    np.testing.assert_allclose(loss["mean"], part_TxS.mean(), rtol=1e-5)
    assert line["metrics"]["half"]["mean"] == pytest.approx(loss["mean"] / 2)
  assert [entry[:3] for entry in seen] == [("toy", 4, 6), ("toy", 6, 6)]
  assert seen[0][3]["loss"] == lines[0]["metrics"]["loss"]["mean"]


def test_a_metric_that_is_not_finite_is_null_and_does_not_stop(tmp_path):
  def infinite(*args):
    g, metrics, extra = grads(*args)
    return g, metrics | {"ratio": jnp.float32(jnp.inf)}, extra

  workdir = workdir_lib.open_workdir(tmp_path / "w", {})
  objective = loop.Objective(init_extra=lambda params: (), grads=infinite)
  run(phase(objective=objective, steps=4), workdir=workdir)
  (line,) = workdir.read_metrics()
  assert line["metrics"]["ratio"] == {"mean": None, "per_seed": [None] * SEEDS}


def test_a_finished_phase_is_restored_and_not_run_again(tmp_path, capsys):
  workdir = workdir_lib.open_workdir(tmp_path / "w", {})
  first = run(phase(), workdir=workdir)
  before = (workdir.path / "metrics.jsonl").read_bytes()

  def forbidden(*args):
    raise AssertionError("a finished phase was run")

  objective = loop.Objective(init_extra=lambda params: (), grads=forbidden)
  seen = []
  again = run(
    phase(objective=objective),
    workdir=workdir,
    on_chunk=lambda *args: seen.append(args),
  )
  jax.tree.map(np.testing.assert_array_equal, first, again)
  assert (workdir.path / "metrics.jsonl").read_bytes() == before
  assert seen == [("toy", 12, 12, {})]
  assert "resumed" not in capsys.readouterr().out


def test_save_every_spaces_checkpoints_and_keeps_the_end(tmp_path, monkeypatch):
  saved = []
  save = checkpoint.Checkpoints.save

  def recorded(self, step, state):
    saved.append(step)
    save(self, step, state)

  monkeypatch.setattr(checkpoint.Checkpoints, "save", recorded)
  workdir = workdir_lib.open_workdir(tmp_path / "w", {})
  run(phase(steps=11), chunk=2, workdir=workdir, save_every=2)
  assert saved == [4, 8, 11]


@pytest.mark.parametrize(
  "changes, options, said",
  [
    ({"name": "../x"}, {}, "phase name"),
    ({"name": "a/12"}, {}, "phase name"),
    ({"steps": 0}, {}, "steps=0"),
    ({}, {"chunk": 0}, "chunk=0"),
    ({}, {"save_every": 0}, "save_every=0"),
    ({"source": Noise(jnp.ones(2))}, {}, "leading axis of 3 seeds"),
  ],
)
def test_a_bad_phase_is_refused_in_one_line(changes, options, said):
  with pytest.raises(ValueError, match=said) as error:
    run(phase(**changes), **options)
  assert "\n" not in str(error.value)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
