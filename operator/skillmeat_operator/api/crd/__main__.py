"""`python -m skillmeat_operator.api.crd`: writes the CRDs as files, or checks them."""

import sys

from skillmeat_operator.api.crd.definitions import main

sys.exit(main())
