"""The figures of the main job, with their captions.

Every arm has one of each: `draw` takes `(results, config, arm)`.
"""

from __future__ import annotations

from raml_jax.plotting import curves
from raml_jax.plotting import distances
from raml_jax.plotting import figures
from raml_jax.plotting import matrices
from raml_jax.plotting import updates

TABLE = (
  figures.Figure(
    "0_headline",
    updates.headline,
    "MAML's update against the chain of thought's, on the same tasks: each"
    " point is one component (8 tasks of the first seed). Each is at its own"
    " iterate at the steps, at the same token w' of scale 1 in the last panels."
    " On the line both do the same; a chain whose points fill the grey band is"
    " at the margin of the claim. Numbers: |u - v|²/|v|² of each chain, v"
    " MAML's update. Points beyond the frame are drawn on it. The order of"
    " MAML's step sizes per step is a matter of chance.",
  ),
  figures.Figure(
    "1_errors",
    curves.errors,
    "Error against the step: mean over tasks above, median below, where a few"
    " diverging tasks do not show. Lines: geometric mean over seeds; bands: its"
    " 95 % t-interval. A cross: some seed has diverged (10 times the error of w"
    " = 0).",
  ),
  figures.Figure(
    "2_cosines",
    curves.cosines,
    "Raw cosine of every update with the true gradient at the same iterate,"
    " mean over seeds with its 95 % t-interval. The oracle heads for w* and"
    " scores high too: a cosine alone cannot tell descent. Random direction,"
    " shuffled steps and another question's update belong to the longest path"
    " of the panel. At t = 0 symmetry alone gives high values.",
  ),
  figures.Figure(
    "3_interventions",
    updates.interventions,
    "Updates at tokens w' set by hand, against one gradient step from there"
    " with the best single step size (8 tasks of the first seed, all"
    " components). Gradient descent lies on the line at every scale, with any"
    " history. Numbers: a and b of u = -a S w' + b S w_LS and the share that"
    " one step size leaves unexplained, means over all seeds and tasks.",
  ),
  figures.Figure(
    "4_weights",
    matrices.weights,
    "Learned V and W (first seed) beside the construction of gradient descent."
    " V s and W / s are the same model: s makes W_24 = -1. Under teacher"
    " forcing the x and y columns of W get no gradient and stay as drawn.",
  ),
  figures.Figure(
    "5_confusion",
    matrices.confusion,
    "Which rule everyone is taken for: share of seeds. None: even the best"
    " rival leaves more than 5 % of the update unexplained.",
  ),
  figures.Figure(
    "5_unexplained",
    matrices.unexplained,
    "Share of the update that each rival (columns) leaves unexplained on tasks"
    " that it was not fitted on, median over seeds. 0: below 1e-6.",
  ),
  figures.Figure(
    "6_out_of_distribution",
    distances.tracking,
    "Relative squared distance of the path from gradient descent's with the"
    " step size that fits in distribution, under every shift of the task;"
    " geometric mean over seeds with its 95 % t-interval. A triangle: some seed"
    " is 10 or further away.",
  ),
  figures.Figure(
    "7_steps",
    distances.steps,
    "Above: MAML's step sizes and the chains' best-fitting ones beside the"
    " optimum recomputed from sampled spectra. Below: relative squared distance"
    " of every iterate of a chain of thought from that of each variant of MAML."
    " Means over seeds with 95 % t-intervals.",
  ),
)
