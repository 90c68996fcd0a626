"""The guardian of one child process: it outlives a killed parent just long enough to clean up.

Run as a script, ``python -I -S child.py FD COMMAND...``. FD is one end of a socket pair whose other end the
parent holds. However the parent ends, the kernel closes that end, and the guardian kills the command with
everything it started. A parent-death signal alone would not do: the kernel ties it to the parent's *thread*,
and it does not reach grandchildren. The command itself has that signal set, against a killed guardian.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def _become(command: "list[str]", guardian: int) -> None:
    """Turn the forked process into the command; never returns."""
    try:
        os.setpgid(0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guardian:  # it died before the signal was set
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would pass that on
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606 - starting the command is the purpose
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill_the_rest() -> None:
    """Kill descendants that left the command's group: as subreaper, the guardian has inherited them."""
    me = os.getpid()
    while True:
        try:
            with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as listing:
                left = [int(pid) for pid in listing.read().split()]
        except OSError:
            return
        if not left:
            return
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for pid in left:
            os.waitpid(pid, 0)


def main() -> int:
    """Start the command, pass signals on, and return its exit code once nothing of it is left."""
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(lifeline, False)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)

    wakeup, wakeup_end = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(wakeup_end, False)
    signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        # A handler, not SIG_IGN: exec resets handlers but would pass "ignored" on to the command.
        signal.signal(number, lambda *_: None)

    guardian = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, guardian)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(child, child)  # in both processes, so that neither can be early
    with contextlib.suppress(OSError):  # the parent is gone already: select will say so
        os.write(lifeline, b"%d\n" % child)

    while True:
        readable, _, _ = select.select([lifeline, wakeup], [], [])
        if lifeline in readable:
            _signal_group(child, signal.SIGKILL)
            os.waitpid(child, 0)
            _kill_the_rest()
            return 137
        for received in os.read(wakeup, 512):
            if received != signal.SIGCHLD:
                _signal_group(child, received)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 1
            if pid == 0:
                break
            if pid == child:
                _signal_group(child, signal.SIGKILL)
                _kill_the_rest()
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
