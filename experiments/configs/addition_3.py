"""Three-digit addition with a scratchpad, learned on a laptop.

  python -m experiments.train --config=experiments/configs/addition_3.py

11:40 and 1.6 GB for all 5 seeds on 2 CPU cores, 2:15 of training a seed; a
seed alone took 3:53 on one core. Found: all five seeds answer every held-out
question right, balanced as in training or as usual: exact-match is supported.

The model is that for two digits, with weight decay 1 instead of 0.01, a
learning rate of 0.002, more updates, and operands of every length as often as
any. Seen before, balanced by carries alone, so that one sum in ten has a second
operand shorter than the first: this config, with two seeds at 100 % and three
at 92 to 95 %, all errors in such sums; and the numbers for two digits with 8000
updates, 89 to 99.8 %. Pilots of three seeds with --config.seed=202, balanced by
carries: weight decay 1 and 4000 updates 98.3 to 98.5 %, a third layer with 3000
updates 94 to 99 %, 8 heads 96 to 100 %; balanced by lengths: 99.5 to 100 %.
The margin is from before any run; the second test came with the balance.
"""

import ml_collections

from experiments.configs import addition_2


def get_config() -> ml_collections.ConfigDict:
  """As for two digits, and longer."""
  config = addition_2.get_config()
  config.task.options.update({"digits": 3, "balance": "lengths"})
  config.fit.update(
    {"steps": 7000, "learning_rate": 0.002, "weight_decay": 1.0}
  )
  config.measure.every = 1000
  # The usual questions, few of which have operands of unequal length.
  config.measure.tests = {"carries": {"balance": "carries"}}
  claim = config.claims["exact-match"]
  claim.margins.carries = claim.margins.held_out
  claim.statement = claim.statement.replace("two-digit", "three-digit")
  return config
