"""``python -m testbed``; readable by any Python 3, so that an old one gets a sentence and not a traceback."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the point is to say so
    sys.stderr.write(
        "Python {}.{} is too old; install Python 3.11 or newer and run this with it, for instance "
        "make PYTHON=python3.11.\n".format(*sys.version_info[:2])
    )
    sys.exit(2)

from testbed.commands import main

if __name__ == "__main__":
    sys.exit(main())
