"""One call to a remote side: where it may go, how fast, how long, how much it may answer."""

import sys

# httpx loads its own command line with itself, and rich with that wherever it is installed. The operator has
# no use for either: an entry of None makes that import fail, which httpx takes for not installed.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
