"""sluice-load as a function: options in, the report out."""

import json
import os
import subprocess


class LoadError(Exception):
    """What went wrong, for a person."""


def run_load(binary, endpoint, identity, **options):
    """One run; options are those of `sluice-load --help`, with underscores. Returns its JSON report.

    endpoint: (host, port)   identity: (access key id, secret)
    """
    command = [str(binary), "--host", endpoint[0], "--port", str(endpoint[1]), "--json"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            command.append(flag)
        elif value is not False:
            command += [flag, str(value)]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": identity[0], "AWS_SECRET_ACCESS_KEY": identity[1]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0 and not done.stdout:
        raise LoadError(done.stderr.strip() or f"sluice-load ended with {done.returncode}")
    report = json.loads(done.stdout)
    if report["ops"] == 0:
        raise LoadError(f"no operation succeeded: {report['errors']}")
    return report
