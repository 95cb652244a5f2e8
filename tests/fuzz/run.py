#!/usr/bin/python3
"""Drives the fuzz targets with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer, one after the other.

usage: tests/fuzz/run.py [--minutes N] [--update] [TARGET...]

Prints what each executed and covered. An input that crashes, hangs or leaks is kept in .local/fuzz and
printed as a line of a corpus file. --update adds to the corpus what covers more than it does.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
BUILD = ROOT / "build" / "fuzz"
KEPT = ROOT / ".local" / "fuzz"
SEED_BYTES_MAX = 400  # of an input that --update adds
CORPUS_BYTES_MAX = 14000  # of a corpus file
INPUT_BYTES_MAX = 4096
SECONDS_MAX = 10  # for one input: no target takes a second of its own, but others may have the processors
LIMITS = [f"-max_len={INPUT_BYTES_MAX}", f"-timeout={SECONDS_MAX}", "-rss_limit_mb=2048", "-malloc_limit_mb=512"]


def targets():
    return re.findall(r"^sluice_fuzz\((\w+)", (HERE / "CMakeLists.txt").read_text(encoding="utf-8"), re.M)


def escape(data):
    text = "".join(chr(b) if 32 <= b < 127 and b != ord("\\") else {10: "\\n", 92: "\\\\"}.get(b, f"\\x{b:02x}")
                   for b in data)
    return "\\x23" + text[1:] if text.startswith("#") else text


def unescape(line):
    return re.sub(rb"\\(n|\\|x[0-9a-f]{2})", lambda m: {b"n": b"\n", b"\\": b"\\"}.get(m[1]) or bytes.fromhex(m[1][1:].decode()),
                  line.encode())


def corpus_lines(name):
    return (HERE / "corpus" / f"{name}.txt").read_text(encoding="ascii").splitlines()


def unpack(name, directory):
    for number, line in enumerate(corpus_lines(name)):
        if not line.startswith("#"):
            (directory / f"{number:04}").write_bytes(unescape(line))


def build(names):
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "fuzz"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(BUILD), "--quiet", "-j2", *[f"fuzz_{name}" for name in names]], check=True)


def show_crashes(name, directory):
    """Keep what libFuzzer left of inputs that failed, and print them."""
    found = sorted(directory.glob("*-*"))
    KEPT.mkdir(parents=True, exist_ok=True)
    for path in found:
        (KEPT / f"{name}-{path.name}").write_bytes(path.read_bytes())
        print(f"  {path.name}: {escape(path.read_bytes())}")
    return len(found)


def figures(output):
    """Executions, coverage counters and features as libFuzzer last printed them."""
    executions = re.findall(r"stat::number_of_executed_units:\s*(\d+)", output) or re.findall(r"#(\d+)\s", output)
    coverage = re.findall(r"cov: (\d+)", output)
    features = re.findall(r"ft: (\d+)", output)
    return tuple(int(numbers[-1]) if numbers else 0 for numbers in (executions, coverage, features))


def fuzz(name, seconds, scratch):
    """Returns how many inputs failed."""
    corpus, crashes = scratch / name, scratch / f"{name}-crashes"
    corpus.mkdir()
    crashes.mkdir()
    unpack(name, corpus)
    done = subprocess.run([str(BUILD / "tests" / "fuzz" / f"fuzz_{name}"), str(corpus), *LIMITS,
                           f"-max_total_time={seconds}", "-print_final_stats=1", "-use_value_profile=1",
                           f"-artifact_prefix={crashes}/"],
                          capture_output=True, text=True, errors="replace", check=False)
    failed = show_crashes(name, crashes)
    executions, coverage, features = figures(done.stderr)
    print(f"{name:14} {executions:11,} {coverage:9,} {features:9,} {failed:8}", flush=True)
    if done.returncode != 0:
        telling = re.findall(r"^.*(?:assertion failed|runtime error|ERROR:|SUMMARY:|ALARM:| in .*/(?:base|dataplane|"
                             r"controlplane|api|tests)/).*$", done.stderr, re.M)
        print("\n".join(line.replace(f"{ROOT}/", "") for line in telling if "BuildId" not in line), flush=True)
    return failed or done.returncode


def update(name, scratch):
    """Of what the run found, the smallest inputs that cover more than the corpus file does."""
    chosen = scratch / f"{name}-chosen"
    chosen.mkdir()
    unpack(name, chosen)
    had = set(chosen.iterdir())
    subprocess.run([str(BUILD / "tests" / "fuzz" / f"fuzz_{name}"), "-merge=1", f"-max_len={SEED_BYTES_MAX}",
                    "-timeout=10", str(chosen), str(scratch / name)], capture_output=True, check=False)
    lines = corpus_lines(name)
    size = sum(len(line) + 1 for line in lines)
    for path in sorted(set(chosen.iterdir()) - had, key=lambda p: p.stat().st_size):
        line = escape(path.read_bytes())
        if size + len(line) + 1 > CORPUS_BYTES_MAX:
            break
        lines.append(line)
        size += len(line) + 1
    (HERE / "corpus" / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def main():
    parser = argparse.ArgumentParser(prog="tests/fuzz/run.py")
    parser.add_argument("--minutes", type=float, default=2, help="for each target (default 2)")
    parser.add_argument("--update", action="store_true", help="add to the corpus what covers more than it does")
    parser.add_argument("target", nargs="*", help="only these")
    arguments = parser.parse_args()
    unknown = set(arguments.target) - set(targets())
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(targets())}")
    names = arguments.target or targets()
    build(names)
    print(f"{'target':14} {'executions':>11} {'coverage':>9} {'features':>9} {'crashes':>8}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="sluice-fuzz-") as directory:
        for name in names:
            failed += bool(fuzz(name, int(60 * arguments.minutes), Path(directory)))
            if arguments.update:
                update(name, Path(directory))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
