"""theta'_0 ... theta'_T: the trajectory as a change of parameters.

Block (`models.blocks`): a = h + Attn(N h), h' = a + W_2 gelu(W_1 N a + b_1) +
b_2. With tokens of the trajectory hidden from a read-out, a and z = N a become
others; updates of the matrices make good for it, from the first block up, each
block's activations computed anew under the updates below it. Three forms:

    rank_one     dW_1 = z (dz W_1) / |z|^2, db_2 = da (Dherin et al. 2025,
                 with skip connection and norm). It moves the question too.
    preserving   dW_1 = r (dz W_1) / (r . z), dW_2 = rho (da) / (rho . s), with
                 r and rho the parts of z and s = gelu(..) orthogonal to those
                 of the question's tokens, which it leaves alone. With several
                 read-outs, the smallest dW that serves all of them.
    value        dW_v = z (o - z W_v) / |z|^2 for every head, z the input
                 averaged by attention, o what the head gave. No MLP moves.

All three are exact, `preserving` while question and read-outs together have
fewer tokens than the width. Beyond, dW_1 is the least-squares solution; W_2,
which reads more than the width, makes good for what the read-outs still lack,
and the question is moved (`exactness` tells how far). "dz W_1" and "da" are
computed as what pre-activation and output lack, which is the same and makes
good for the rounding of the blocks below.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import attend
from raml_jax.models import blocks as blocks_lib
from raml_jax.theory.implicit import duals
from raml_jax.theory.implicit import kinds
from raml_jax.theory.implicit import updates
from raml_jax.theory.implicit import views

FORMS = ("rank_one", "preserving", "value")


def path(
  model: Any,
  params: base.PyTree,
  asked: Any,
  prefix_P: base.Array,
  form: str,
) -> updates.Path:
  """theta'_p for the first prefix_P[p] tokens, each built from theta.

  Args:
    model: a decoder that has a view (`kinds.TABLE`).
    params: theta.
    asked: one example.
    prefix_P: counts of tokens; 0 gives theta itself.
    form: one of FORMS.

  Raises:
    ValueError: the form does not serve this model or so many read-outs.
  """
  view = kinds.view(model, asked)
  _check(view, form)

  def one(count):
    wanted = view.with_context(params, count)
    return _update(view, params, wanted, count, form)

  return jax.vmap(one)(prefix_P)


def chained(
  model: Any,
  params: base.PyTree,
  asked: Any,
  prefix_P: base.Array,
  form: str,
) -> updates.Path:
  """Another path to the same outputs: each theta'_p built from the one before.

  It agrees with `path` in the first block only.

  Returns:
    The increments theta'_p - theta'_{p-1}, the first of them from theta.
  """
  view = kinds.view(model, asked)
  _check(view, form)

  def step(now, count):
    wanted = view.with_context(params, count)
    update = _update(view, now, wanted, count, form)
    return updates.moved(now, update), update

  return jax.lax.scan(step, params, prefix_P)[1]


def check(model: Any, asked: Any, form: str) -> None:
  """Raises ValueError if a form does not serve this model."""
  _check(kinds.view(model, asked), form)


def _check(view, form):
  if form not in FORMS:
    raise ValueError(f"form: {form!r} must be one of {FORMS}")
  if form != "value" and not view.mlp:
    raise ValueError(f"mlp: 0 must be at least 1 for form={form!r}")
  if form == "rank_one" and view.reads > 1:
    raise ValueError(f"reads: {view.reads} must be 1 for form='rank_one'")


def _update(view, params, wanted, count, form):
  """From `params` to those that give `wanted` at the read-outs."""
  found = ()
  for l in range(view.layers):
    # No token: no change, not even one of rounding.
    state = _State(view, params, found, l, jnp.asarray(count) > 0)
    found += (_OF_BLOCK[form](state, wanted[l]),)
  return found


@dataclasses.dataclass(frozen=True)
class _State:
  """Where the construction stands: block l, with those below it done."""

  view: views.View
  params: base.PyTree
  found: updates.Path
  l: int
  some: base.Array

  def now(self, *done: updates.Update) -> blocks_lib.Activations:
    """Block l's activations, also under what is done of its own update."""
    params = updates.moved(self.params, self.found + done)
    return self.view.without_context(params, self.l + 1)[1][self.l]

  def lacks(self, wanted_RxC, now_NxC):
    """What the read-outs' rows lack."""
    valid_R = self.view.valid_N[-len(wanted_RxC) :]
    lack_RxC = wanted_RxC - now_NxC[-len(wanted_RxC) :]
    return jnp.where(valid_R[:, None] & self.some, lack_RxC, 0.0)

  def rows(self, now_NxC, reads):
    """(read-outs, question), zeros where there is no token."""
    rows_NxC = jnp.where(self.view.valid_N[:, None], now_NxC, 0.0)
    return rows_NxC[-reads:], rows_NxC[:-reads]


def _rank_one(state, wanted):
  now = state.now()
  z_RxC, _ = state.rows(now.z_TxC, 1)
  lack_RxM = state.lacks(wanted.pre_TxM, now.pre_TxM)
  first = updates.Update(w_1=updates.Factors(duals.dual(z_RxC), lack_RxM))
  lack_RxC = state.lacks(wanted.output_TxC, state.now(first).output_TxC)
  return first._replace(b_2_C=lack_RxC[0])


def _preserving(state, wanted):
  reads = len(wanted.z_TxC)
  now = state.now()
  lack_RxM = state.lacks(wanted.pre_TxM, now.pre_TxM)
  dual_CxR = duals.dual(*state.rows(now.z_TxC, reads))
  first = updates.Update(w_1=updates.Factors(dual_CxR, lack_RxM))
  now = state.now(first)
  lack_RxC = state.lacks(wanted.output_TxC, now.output_TxC)
  dual_MxR = duals.dual(*state.rows(now.hidden_TxM, reads))
  return first._replace(w_2=updates.Factors(dual_MxR, lack_RxC))


def _value(state, wanted):
  now, view = state.now(), state.view
  reads = wanted.mixed_HxTxA.shape[1]
  weigh = attend.WEIGHTS[view.attention]
  weight_HxNxN = weigh(now.scores_HxTxL, view.seen_NxN[None])
  average_HxNxC = jnp.matmul(weight_HxNxN, now.normed_TxC[None])

  def head(average_NxC, now_NxA, wanted_RxA):
    z_RxC, _ = state.rows(average_NxC, reads)
    return updates.Factors(duals.dual(z_RxC), state.lacks(wanted_RxA, now_NxA))

  factors = jax.vmap(head)(average_HxNxC, now.mixed_HxTxA, wanted.mixed_HxTxA)
  return updates.Update(w_v=factors)


_OF_BLOCK = {"rank_one": _rank_one, "preserving": _preserving, "value": _value}
