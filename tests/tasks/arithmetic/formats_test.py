"""Texts are those of Lee et al. (2023), and every token has its role."""

import numpy as np
import pytest

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.steps import derivation

ADDITION = questions.Pair("+", 128, 367)
SUBTRACTION = questions.Pair("-", 128, 367)
# As published, but for the newline at the end, which is `|` here.
PUBLISHED = [
  (ADDITION, "plain", "128+367=495|"),
  (ADDITION, "reversed", "$128+367=594$|"),
  (SUBTRACTION, "reversed", "$128-367=932-$|"),
  (
    ADDITION,
    "simplified",
    "Input:\n128+367\nTarget:\nA->5 , C->1\nA->9 , C->0\nA->4 , C->0.\n495|",
  ),
  (
    ADDITION,
    "detailed",
    """Input:
128+367
Target:
<scratch>
[1,2,8] has 3 digits.
[3,6,7] has 3 digits.
[1,2,8] + [3,6,7] , A=[] , C=0 , 8+7+0=15 , A->5 , C->1
[1,2] + [3,6] , A=[5] , C=1 , 2+6+1=9 , A->9 , C->0
[1] + [3] , A=[9,5] , C=0 , 1+3+0=4 , A->4 , C->0
[] + [] , A=[4,9,5] C=0 , END
</scratch>
4 9 5|""",
  ),
  (
    SUBTRACTION,
    "simplified",
    """Input:
128-367
Target:
A->1 , C->0
A->6 , C->-1
A->-3 , C->-1
-300+61=-239.
-239|""",
  ),
  (
    questions.Pair("-", 5, 96),
    "detailed",
    """Input:
5-96
Target:
<scratch>
[5] has 1 digits.
[9,6] has 2 digits.
[5] - [9,6] , A=[] , C=0 , 5-6-0+10=9 , A->9 , C->-1
[] - [9] , A=[9] , C=-1 , 0-9-1=-10 , A->-10 , C->-1
[] - [] , A=[-10,9]
-100+9=-91 , END
</scratch>
-9 1|""",
  ),
  (
    questions.Pair("*", 12, 36),
    "detailed",
    """Input:
12*36
Target:
<scratch>
[1,2] has 2 digits.
[3,6] has 2 digits.
[1,2] * 6 , A=[7,2] , k=1 , B=[7,2] , C=0+72=72
[1,2] * 3 , A=[3,6] , k=10 , B=[3,6,0] , C=72+360=432 , END
</scratch>
4 3 2|""",
  ),
]


@pytest.mark.parametrize("question, format, text", PUBLISHED)
def test_texts_are_the_published_ones(question, format, text):
  assert formats.write(question, format).text == text


def test_other_bases_have_their_own_digits():
  written = formats.write(questions.Pair("+", 255, 1, base=16), "plain")
  assert written.text == "ff+1=100|"
  written = formats.write(questions.Pair("-", 0b101, 0b11, base=2), "plain")
  assert written.text == "101-11=10|"


def test_every_token_has_its_role_and_step():
  written = formats.write(ADDITION, "simplified", lead=vocab.END)
  row = written.trajectory(80)
  assert vocab.decode(row.tokens_L) == written.text
  said = {
    role: vocab.decode(row.tokens_L[row.role_L == role]) for role in vocab.Role
  }
  assert said == {
    vocab.Role.PAD: "",
    vocab.Role.QUESTION: "|Input:\n128+367\nTarget:\n",
    vocab.Role.STEP: "A->5 , C->1\nA->9 , C->0\nA->4 , C->0",
    vocab.Role.REFLECTION: "",
    vocab.Role.DELIMITER: ".\n|",
    vocab.Role.ANSWER: "495",
  }
  in_step = [vocab.decode(row.tokens_L[row.step_L == k]) for k in (1, 2, 3, 4)]
  assert in_step == [
    "A->5 , C->1\n",
    "A->9 , C->0\n",
    "A->4 , C->0",
    ".\n495|",
  ]
  filled = row.step_L[row.role_L != vocab.Role.PAD]
  assert (np.diff(filled) >= 0).all() and len(filled) == len(written.text)


def test_a_batch_is_padded_to_one_length():
  rows = [formats.write(q, "plain") for q in (ADDITION, SUBTRACTION)]
  batch = writing.stack(rows, 20)
  assert batch.tokens_L.shape == batch.role_L.shape == (2, 20)
  assert [vocab.decode(t) for t in batch.tokens_L] == [r.text for r in rows]


def test_a_question_longer_than_the_context_is_one_clear_line():
  with pytest.raises(ValueError, match="^length = 11: '128.367=' takes 12 tok"):
    formats.write(ADDITION, "plain").trajectory(11)


def test_one_question_has_several_routes_with_different_texts():
  routes = formats.routes(ADDITION, "detailed")
  texts = {formats.write(ADDITION, "detailed", r).text for r in routes}
  assert len(texts) == len(routes) == 6
  assert formats.routes(ADDITION, "plain") == (derivation.Route("columns"),)


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: formats.write(ADDITION, "prose"), "format = 'prose': must be"),
    (lambda: questions.Pair("/", 1, 2), "operator = '/': must be one of"),
    (lambda: questions.Pair("+", 1, 2, base=37), "base = 37: must be 2 to 36"),
    (lambda: questions.Pair("+", -1, 2), "number = -1: must not be negative"),
    (lambda: questions.Chain((1, 2), "+*", 5), "terms = "),
    (lambda: questions.Chain((1, 2, 3), "+*", 5), "operators = "),
    (lambda: questions.Chain((1, 2), "+", 1), "modulus = 1: must be at least"),
    (lambda: derivation.Route(group=0), "group = 0: must be at least 1"),
    (
      lambda: formats.write(ADDITION, "detailed", derivation.Route("tree")),
      "method = 'tree': must be one of columns, parts, parts_low for 128",
    ),
  ],
)
def test_mistakes_are_one_clear_line(make, message):
  with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
    make()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
