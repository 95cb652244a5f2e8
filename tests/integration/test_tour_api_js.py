"""The everyday API with the JavaScript SDK v3: client-dynamodb and lib-dynamodb."""

import json
import subprocess

from .conftest import ROOT
from .everyday import CALLS, ITEMS, LARGE, LARGE_KEYS, ROWS


def test_the_javascript_sdk_uses_the_everyday_api(client_environment, everyday):
    book = {"calls": [everyday.filled(call) for call in CALLS], "items": ITEMS, "arn": everyday.arn, "large": LARGE,
            "largeKeys": LARGE_KEYS, "rows": ROWS}
    done = subprocess.run(["node", "everyday.mjs"], cwd=ROOT / "tests" / "compat" / "js", env=client_environment,
                          input=json.dumps(book), capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CALLS)} calls, tour complete" in done.stdout
