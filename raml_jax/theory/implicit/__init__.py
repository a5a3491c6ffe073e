"""What a trajectory does to a decoder, as a change of its parameters.

For a question, a trajectory of T tokens and an answer, theta'_i are parameters
with which the read-outs (the places where the answer is said) compute without
the trajectory what theta computes with its first i tokens in context.

    asked = examples.examples(family.sample(key, batch))
    prefix_P = jnp.asarray(examples.token_prefixes(asked))

    def measure(one):
      path = paths.path(model, params, one, prefix_P, "preserving")
      moves = [updates.dense(u) for u in updates.increments(path)]
      before = jax.tree.map(lambda leaf: leaf[:-1], path)
      slopes = updates.along(
        lambda p: gradients.of_loss(model, p, one), params, before
      )
      ...  # moves[l].w_1_CxM[i] against slopes[l].w_1_CxM[i]

    jax.jit(lambda many: jax.lax.map(measure, many, batch_size=8))(asked)

examples.py     who sees what: question, trajectory, read-outs, targets
views.py        all that the rest needs of one example of one decoder
kinds.py        which decoders have one
characters.py   decoders on characters, asked about written text
weight_tokens.py   decoders on weight tokens, read out of a blank one
duals.py        the vectors that a constrained update is made of
updates.py      low-rank changes of a block's matrices
paths.py        theta'_0 ... theta'_T, built from the first layer up
exactness.py    how far theta'_i is from doing what it should
gradients.py    the true gradients that the path is compared with
alignments.py   moments of every token's update and true descent directions
rivals.py       what update rules are fitted and scored by
descent.py      true gradient descent from the same parameters
proposition.py  Prop. 2.1 of RaML: as it stands, repaired, and exact
"""
