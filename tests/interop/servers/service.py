"""Programs that serve on loopback: started on free ports, waited for, and ended for sure."""

import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

# The slowest of them takes some 3 s on an idle machine of two cores; a build beside it makes that longer.
START_S_MAX = 90
# After this long a program that was asked to end is killed.
STOP_S_MAX = 10
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def free_port():
    """A port that nobody has now. Somebody may take it before it is used; then the start fails and says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_with_parent():
    """So that nothing is left when the parent is killed without a chance to tidy up."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Service:
    """One program, with its log. Made by the main thread: the program ends with the thread that made it."""

    def __init__(self, name, command, log, url=None, ready_path="/conformance", **popen):
        self.name, self.log, self.url, self.ready_path = name, log, url, ready_path
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=end_with_parent, **popen
            )

    def wait_until_it_answers(self):
        """Returns when the server answers at its address."""
        self.wait_until(lambda: answers(self.url + self.ready_path))

    def wait_until(self, ready):
        """Returns when `ready` is true. A program that ends before, or is too slow, is an error with the end of its log."""
        deadline = time.monotonic() + START_S_MAX
        while not ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with status {self.process.returncode}\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not answer within {START_S_MAX} s\n{self.log_tail()}")
            time.sleep(0.1)

    def log_tail(self, lines=25):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def answers(url):
    """Whether a GET of this address is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def run(command, log, **popen):
    """A program that ends by itself, which has to end well."""
    with open(log, "ab") as out:
        status = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, **popen).returncode
    if status != 0:
        with open(log, errors="replace") as text:
            raise RuntimeError(f"{command[0]} ended with status {status}\n" + "".join(text.readlines()[-25:]))


def environment(**more):
    """This process's environment and some more; what could lead to another server is left out."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "POSTGRES"))}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | more
