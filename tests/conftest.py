"""What all tests share: Python looks for garbage less often."""

import gc

# Three thousand tests and what they import stay to the end: looking through them again and again took a tenth of
# the time of what computes.
gc.set_threshold(100_000, 50, 50)
