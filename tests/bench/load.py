"""sluice-load as a function: options in, the report out."""

import json
import os
import signal
import subprocess


class LoadError(Exception):
    """What went wrong, for a person."""


def _command(binary, endpoint, options):
    command = [str(binary), "--host", endpoint[0], "--port", str(endpoint[1]), "--json"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            command.append(flag)
        elif value is not False:
            command += [flag, str(value)]
    return command


def _environment(identity):
    return {**os.environ, "AWS_ACCESS_KEY_ID": identity[0], "AWS_SECRET_ACCESS_KEY": identity[1]}


def _report(returncode, output, errors):
    if returncode != 0 and not output:
        raise LoadError(errors.strip() or f"sluice-load ended with {returncode}")
    report = json.loads(output)
    if report["ops"] == 0:
        raise LoadError(f"no operation succeeded: {report['errors']}")
    return report


def run_load(binary, endpoint, identity, **options):
    """One run; options are those of `sluice-load --help`, with underscores. Returns its JSON report.

    endpoint: (host, port)   identity: (access key id, secret)
    """
    done = subprocess.run(_command(binary, endpoint, options), env=_environment(identity), capture_output=True,
                          text=True, check=False)
    return _report(done.returncode, done.stdout, done.stderr)


class BackgroundLoad:
    """A run beside other ones, until `finish`; options as run_load's.

    Its clients give way to all others: they stand for machines of their own, whose processors the fleet's are not.
    """

    def __init__(self, binary, endpoint, identity, **options):
        command = ["nice", "-n", "10", *_command(binary, endpoint, options)]
        self.process = subprocess.Popen(command, env=_environment(identity), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def finish(self):
        """End it. Returns its report."""
        self.process.send_signal(signal.SIGTERM)
        try:
            output, errors = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
        return _report(self.process.returncode, output, errors)
