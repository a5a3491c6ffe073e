"""Flags and config files: what is read, and mistakes told in one line."""

import json
import os
import subprocess
import sys

import pytest

from experiments import flags as flags_lib
from experiments.configs import maml_vs_cot
from raml_jax import parsing
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.training import workdir as workdir_lib

# Programs of one process each, forked from one that has imported everything.
PROGRAM = """
import json, os, sys, tempfile, traceback
from ml_collections import config_flags
from experiments import flags as flags_lib
from raml_jax import parsing
from raml_jax.config import maml_vs_cot

def main(argv):
  flags_lib.no_arguments(argv)
  config, path = flags_lib.config_and_workdir(defined)
  print(json.dumps([parsing.plain(config), str(path)]))

answers = {}
for name, arguments in json.load(sys.stdin).items():
  files = [tempfile.TemporaryFile() for _ in range(2)]
  child = os.fork()
  if not child:
    for number, file in enumerate(files, start=1):
      os.dup2(file.fileno(), number)
    sys.argv = ["program", *arguments]
    code = 0
    try:
      file = "experiments/configs/maml_vs_cot.py"
      defined = flags_lib.define(file, maml_vs_cot.parse)
      flags_lib.run(main, defined)
    except SystemExit as end:
      code = end.code or 0
    except BaseException:
      traceback.print_exc()
      code = 99
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)
  code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
  texts = []
  for file in files:
    file.seek(0)
    texts.append(file.read().decode())
  answers[name] = [code, *texts]
print(json.dumps(answers))
"""

FILES = {
  "mine.py": """
from experiments.configs import maml_vs_cot
def get_config():
  config = maml_vs_cot.get_config()
  config.seeds = 7
  return config
""",
  "imports.py": "import nothing_of_that_name\n",
  "syntax.py": "x = (\n",
  "raises.py": "def get_config():\n  raise ValueError('two\\nlines')\n",
  "lacks.py": "x = 1\n",
  "returns.py": "def get_config():\n  return None\n",
}

# What is set -> (arguments, the field, its value).
GOOD = {
  "nothing": ((), "seeds", 5),
  "int": (("--config.seeds=3",), "seeds", 3),
  "two words": (("--config.seeds", "4"), "seeds", 4),
  "float": (("--config.imitation.eta=1",), "imitation.eta", 1.0),
  "tuple": (("--config.outcome.steps=(3, 4)",), "outcome.steps", [3, 4]),
  "one of a tuple": (("--config.outcome.steps=3",), "outcome.steps", [3]),
  "bool": (("--config.model.layer_norm",), "model.layer_norm", True),
  "string": (("--config.task.law=uniform",), "task.law", "uniform"),
  "file": (("--config=mine.py",), "seeds", 7),
  "file, two words": (("--config", "mine.py"), "seeds", 7),
  "file and field": (("--config=mine.py", "--config.seeds=2"), "seeds", 2),
  "file of the package": (
    ("--config=experiments/configs/maml_vs_cot.py",),
    "seeds",
    5,
  ),
}

# Mistake -> (arguments, words of the one line).
BAD = {
  "flag": (("--flag=1",), ("unknown", "'flag'")),
  "argument": (("stray",), ("'stray'",)),
  "field": (("--config.seedss=3",), ("config.seedss", "unknown", "seeds,")),
  "inner field": (("--config.task.x=3",), ("config.task.x", "known are d,")),
  "field of a number": (("--config.seeds.x=3",), ("config.seeds.x", "unknown")),
  "field of a name": (
    ("--config.claims.direct-floor.unit=x",),
    ("config.claims.direct-floor", "config file"),
  ),
  "type": (("--config.seeds=abc",), ("config.seeds", "'abc'", "int")),
  "half": (("--config.seeds=1.5",), ("config.seeds", "'1.5'", "int")),
  "float": (("--config.task.scale=x",), ("config.task.scale", "'x'", "float")),
  "bool": (
    ("--config.model.layer_norm=3",),
    ("config.model.layer_norm", "'3'", "bool"),
  ),
  "tuple": (
    ("--config.measure.scales=(1,x",),
    ("config.measure.scales", "'(1,x'", "tuple"),
  ),
  "in a tuple": (
    ("--config.outcome.steps=(2, 'x')",),
    ("config.outcome.steps[1]", "'x'", "int"),
  ),
  "section": (("--config.task=3",), ("config.task", "'3'", "dict")),
  "no value": (("--config.seeds",), ("config.seeds",)),
  "negative": (("--config.task.n=-1",), ("config.task.n = -1", "positive")),
  "k": (("--config.outcome.steps=(0,)",), ("config.outcome.steps", "positive")),
  "regime": (("--config.regimes=('x',)",), ("config.regimes[0]", "'x'")),
  "seeds": (("--config.seeds=1",), ("config.seeds = 1", "at least 2")),
  "tasks": (("--config.measure.tasks=1",), ("measure.tasks = 1",)),
  "no file": (("--config=nowhere.py",), ("nowhere.py", "no such file")),
  "empty file": (("--config=",), ("--config=", "no such file")),
  "folder": (("--config=.",), ("no such file",)),
  "file that imports": (
    ("--config=imports.py",),
    ("imports.py", "nothing_of_that_name"),
  ),
  "file of bad syntax": (("--config=syntax.py",), ("syntax.py", "Syntax")),
  "file that raises": (("--config=raises.py",), ("raises.py", "two lines")),
  "file without config": (("--config=lacks.py",), ("lacks.py", "get_config")),
  "file of None": (("--config=returns.py",), ("returns.py", "ConfigDict")),
  "order": (("--config.seeds=2", "--config=mine.py"), ("config.seeds=2",)),
  "workdir": (("--workdir=",), ("--workdir=", "directory")),
}


@pytest.fixture(scope="module")
def answers(root, tmp_path_factory):
  """(exit code, stdout, stderr) of every case, in a folder of its own."""
  folder = tmp_path_factory.mktemp("elsewhere")
  for name, content in FILES.items():
    (folder / name).write_text(content)
  cases = {f"good {k}": v[0] for k, v in GOOD.items()}
  cases |= {f"bad {k}": v[0] for k, v in BAD.items()}
  cases["workdir"] = ("--workdir=some/where",)
  cases["help"] = ("--help",)
  done = subprocess.run(
    [sys.executable, "-c", PROGRAM],
    input=json.dumps(cases),
    cwd=folder,
    env=os.environ | {"PYTHONPATH": str(root)},
    capture_output=True,
    text=True,
    check=True,
  )
  assert {entry.name for entry in folder.iterdir()} - FILES.keys() <= {
    "__pycache__"
  }
  return json.loads(done.stdout)


@pytest.mark.parametrize("case", GOOD)
def test_fields_are_set(answers, case):
  code, out, err = answers[f"good {case}"]
  assert (code, err) == (0, "")
  arguments, field, value = GOOD[case]
  found, path = json.loads(out)
  expected = parsing.plain(config_lib.parse(maml_vs_cot.get_config().to_dict()))
  node = expected
  *parents, last = field.split(".")
  for parent in parents:
    node = node[parent]
  node[last] = value
  assert found == expected
  mine = any("mine.py" in argument for argument in arguments)
  assert path == ("runs/mine" if mine else "runs/maml_vs_cot")


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_one_line(answers, case):
  code, out, err = answers[f"bad {case}"]
  assert (code, out) == (1, "")
  assert err.startswith("error: ")
  assert err.endswith("\n") and err.count("\n") == 1
  for word in BAD[case][1]:
    assert word.lower() in err.lower()


def test_workdir_is_taken_as_given(answers):
  assert json.loads(answers["workdir"][1])[1] == "some/where"


def test_help_lists_the_flags_of_the_program(answers):
  _, out, err = answers["help"]
  assert err == ""
  assert "--config:" in out and "--workdir:" in out


@pytest.mark.parametrize(
  "error",
  [parsing.ConfigError("x = 1:\nno"), workdir_lib.WorkdirError("x = 1: no")],
)
def test_errors_of_the_user_end_in_one_line(capsys, error):
  with pytest.raises(SystemExit) as end, flags_lib.one_line_errors():
    raise error
  assert end.value.code == 1
  assert capsys.readouterr().err == "error: x = 1: no\n"


def test_errors_of_the_program_are_not_hidden():
  with pytest.raises(ZeroDivisionError), flags_lib.one_line_errors():
    raise ZeroDivisionError
  with pytest.raises(SystemExit):
    with flags_lib.one_line_errors(ArithmeticError):
      raise ZeroDivisionError


@pytest.mark.parametrize(
  "module, argument, words",
  [
    ("experiments.maml_vs_cot", "--config.seeds=abc", "config.seeds = 'abc'"),
    ("experiments.report", "--workdir=nowhere", "nowhere holds no run"),
  ],
)
def test_programs_start_anywhere_and_fail_in_one_line(
  root, tmp_path, module, argument, words
):
  done = subprocess.run(
    [sys.executable, "-m", module, argument],
    cwd=tmp_path,
    env=os.environ | {"PYTHONPATH": str(root)},
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stdout) == (1, "")
  assert words in done.stderr and done.stderr.count("\n") == 1
  assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
