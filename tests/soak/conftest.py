"""Too much for `make test`."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("CERTD_TEST_SOAK") else ["test_*.py"]
