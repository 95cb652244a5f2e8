"""The tour with the JavaScript SDK v3, unmodified."""

import subprocess

from .conftest import ROOT


def test_the_javascript_sdk_takes_the_tour(client_environment):
    done = subprocess.run(["node", "tour.mjs"], cwd=ROOT / "tests" / "compat" / "js", env=client_environment,
                          capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tour complete" in done.stdout
