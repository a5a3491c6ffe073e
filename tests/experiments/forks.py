"""Commands of `experiments.train`, each in a process of its own.

All are forked from one process that has imported everything, as that takes
longer than a small run. It reads cases from stdin and writes what became of
them to stdout, as lines of JSON; see `Commands.run`.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback

# What changes files, by the names of Python's audit hooks.
_CHANGES = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove"}


class Commands:
  """A context manager that runs commands."""

  def __init__(self, folder: pathlib.Path):
    """Keeps what is compiled in `folder`."""
    self._folder = folder

  def __enter__(self):
    cache = {
      "JAX_COMPILATION_CACHE_DIR": str(self._folder / "compiled"),
      "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
      "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
      "PYTHONWARNINGS": "ignore",
    }
    self._process = subprocess.Popen(
      [sys.executable, __file__],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      env=os.environ | cache,
    )
    return self

  def __exit__(self, *unused_exception):
    self._process.stdin.close()
    self._process.wait()
    self._process.stdout.close()

  def run(self, *flags, **case):
    """Runs one command to its end, or until it is killed.

    Args:
      *flags: of the command; --workdir among them where it is watched.
      **case: `event`: kills it, with -9, before its n-th change of a file in
        the workdir; `seconds`: kills it so long after its start; `characters`:
        another vocabulary; `blocks`: bytes that a file of it may have.

    Returns:
      A dict: code, out, err, seconds, and events, the changes it made.
    """
    line = json.dumps({"flags": flags} | case)
    self._process.stdin.write(line + "\n")
    self._process.stdin.flush()
    return json.loads(self._process.stdout.readline())


def _watch(workdir, event, counter):
  """Counts changes in the workdir; kills this process before one of them."""
  seen = 0

  def hook(name, arguments):
    nonlocal seen
    if name not in _CHANGES or not str(arguments[0]).startswith(workdir):
      return
    if name == "open" and not set(str(arguments[1])) & set("wax+"):
      return
    seen += 1
    if seen == event:
      os.kill(os.getpid(), signal.SIGKILL)
    counter.seek(0)
    counter.write(str(seen))
    counter.flush()

  sys.addaudithook(hook)


def _child(case, counter):
  """The command itself."""
  from experiments import flags as flags_lib
  from experiments import train
  from raml_jax.tasks import vocab

  for flag in case["flags"]:
    if flag.startswith("--workdir="):
      _watch(flag.partition("=")[2], case.get("event"), counter)
  if "characters" in case:
    vocab.CHARACTERS = case["characters"]
  if "blocks" in case:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (case["blocks"],) * 2)
  sys.argv = ["train", *case["flags"]]
  flags_lib.run(train.main, train.FLAGS)


def _forked(case):
  with contextlib.ExitStack() as stack:
    out, err, counter = (
      stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3)
    )
    started = time.monotonic()
    child = os.fork()
    if not child:
      os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2)
      code = 0
      try:
        _child(case, counter)
      except SystemExit as end:
        code = end.code or 0
      except BaseException:
        traceback.print_exc()
        code = 99
      sys.stdout.flush(), sys.stderr.flush()
      os._exit(code)
    if "seconds" in case:
      time.sleep(case["seconds"])
      os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    texts = []
    for file in (out, err, counter):
      file.seek(0)
      texts.append(file.read())
  return {
    "code": code,
    "out": texts[0],
    "err": texts[1],
    "events": int(texts[2] or 0),
    "seconds": time.monotonic() - started,
  }


def _serve():
  import experiments.train  # noqa: F401  All that the children need.

  for line in sys.stdin:
    print(json.dumps(_forked(json.loads(line))), flush=True)


if __name__ == "__main__":
  _serve()
