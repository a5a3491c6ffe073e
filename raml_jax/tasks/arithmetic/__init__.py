"""Arithmetic in writing: questions, scratchpads, answers, and their errors.

question = questions.Pair("+", 128, 367)
formats.write(question, "plain").text                128+367=495|
formats.write(question, "reversed").text             $128+367=594$|
variants.vary(question, "simplified", "wrong_carry", rng).text
parser.check(text).right                             exact, for any text
pairs.Pairs("+", digits=3).sample(key, 128)          a batch for training

questions.py    what is asked, as numbers
steps/          the steps to the answer: columns, products, chains, brackets
formats.py      question, steps and answer as text
writing.py      that text with the role and step of every token
variants.py     other correct trajectories, wrong ones, repaired ones, ...
checking/       an independent parser of all of these
splits.py       which questions are for training, which are held out
device/         the same texts, drawn and written in batches on the device
families/       distributions of questions: sample(key, batch)
"""
