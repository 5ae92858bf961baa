"""A command's process ends at once, and loses nothing of what it said or had to put in order."""

import signal
import subprocess
import sys

import pytest
from source_tree import ROOT

import pipeline.__main__

PROGRAM = """
import atexit, os, sys, threading, time
from pipeline.__main__ import at_once
class Left:
    def __del__(self): os.write(2, b"taken apart")
left = Left()
left.itself = left
@at_once
def command():
    atexit.register(print, "put in order")
    THREAD
    print("said")
    sys.exit(STATUS)
command()
"""
TOLD = {signal.SIGTERM: "", signal.SIGINT: "ended by its user\n"}


def heard() -> None:
    """A child of a job behind `&` ignores Ctrl-C, as whoever started the tests does; these are to hear it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(status: str, thread: str = "pass") -> tuple[int, str, str]:
    program = PROGRAM.replace("STATUS", status).replace("THREAD", thread)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
        preexec_fn=heard,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("status", "code"), [("3", 3), ("None", 0)])
def test_what_was_said_and_registered_is_done_and_nothing_taken_apart(status: str, code: int) -> None:
    assert ended(status) == (code, "said\nput in order\n", "")


def test_a_thread_that_works_is_waited_for_and_a_message_is_said() -> None:
    thread = "threading.Thread(target=lambda: (time.sleep(0.2), print('worked'))).start()"
    code, out, told = ended("3", thread)
    assert (code, out.split("\n")[:2], told) == (3, ["said", "worked"], "taken apart")
    assert ended("'why not'") == (1, "said\nput in order\n", "why not\ntaken apart")


def test_sigterm_ends_it_in_order() -> None:
    """Half a copy of a warehouse would be left, and fill the disk."""
    half = "try: os.kill(os.getpid(), 15); time.sleep(60)\n    finally: print('half a copy is taken away')"
    assert ended("3", half) == (128 + signal.SIGTERM, "half a copy is taken away\nput in order\n", "")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_another_is_put_in_order_leaves_nothing_half(sign: signal.Signals, again: int) -> None:
    half = f"try: os.kill(os.getpid(), {sign}); time.sleep(60)\n    "
    half += f"finally: os.kill(os.getpid(), {again}); print('half a copy is taken away')\n    "
    later = f"atexit.register(os.kill, os.getpid(), {again})\n    "
    assert ended("3", later + half) == (
        128 + sign,
        "half a copy is taken away\nput in order\n",
        TOLD[sign],
    )


def test_a_signal_that_something_swallowed_is_not_the_last_that_is_heard() -> None:
    swallowed = "try: os.kill(os.getpid(), 15)\n    except BaseException: pass\n    os.kill(os.getpid(), 15)"
    assert ended("3", swallowed) == (128 + signal.SIGTERM, "put in order\n", "")


def test_the_library_alone_says_what_its_commands_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pipeline.cli", raising=False)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"^the package typer is not installed: `pip install packfolio`"):
        pipeline.__main__.main.__wrapped__()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", ["pipeline.cli", "typer", "optimizer", "rich.console"])
def test_a_signal_while_modules_are_loaded_is_no_traceback(sign: signal.Signals, module: str) -> None:
    program = f"""
import importlib.abc, os, sys
from pipeline.__main__ import main
class Asked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}: os.kill(os.getpid(), {sign})
sys.meta_path.insert(0, Asked())
sys.argv = ["packfolio", "--help"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
        preexec_fn=heard,
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + sign, "", TOLD[sign])


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_query_is_no_traceback(sign: signal.Signals) -> None:
    """DuckDB makes an error of its own of what the signal's handler raises."""
    kill = "os.kill(os.getpid(), 15)" if sign == signal.SIGTERM else "raise KeyboardInterrupt"
    query = f"try: {kill}\n    except BaseException: raise RuntimeError('Query interrupted') from None"
    assert ended("3", query) == (128 + sign, "put in order\n", TOLD[sign])
    code, _, told = ended("3", "raise RuntimeError('something else')")
    assert (code, "something else" in told) == (1, True)
