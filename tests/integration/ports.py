"""The ports of this run: from SLUICE_TEST_PORT on, a thousand further for each of pytest-xdist's workers."""

import os

PORT = int(os.environ.get("SLUICE_TEST_PORT", "18000")) + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
