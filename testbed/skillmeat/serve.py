"""``uvicorn``, with nothing of ours in the server: only looking for garbage while it loads is put off.

SkillMeat makes millions of objects before its first answer, and keeps them all. A quarter of the 6 s of a
core that its start takes went into looking through them again and again. Its worker processes run the first
lines of this file too.
"""

import gc

gc.set_threshold(200_000, 20, 20)

if __name__ == "__main__":
    import sys

    from uvicorn.main import main

    sys.exit(main())
