"""`./dev tidy`: cheap checks of our own; see README.md beside this file."""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.model import mutants as model_mutants
from tests.nemesis import mutants as nemesis_mutants
from tests.sim import mutants as sim_mutants

ROOT = Path(__file__).resolve().parents[2]
BANNED = {
    "strcpy": "no bound; copy a slice",
    "strcat": "no bound; use a buffer",
    "sprintf": "no bound; use snprintf or a buffer",
    "strtok": "hidden state; use a reader",
    "atoi": "no error; parse with checks",
    "atol": "no error; parse with checks",
    "gmtime": "shared state; use gmtime_r",
    "localtime": "shared state, and depends on the machine",
    "assert": "vanishes in release builds; use ASSERT",
    "rand": "shared state; use base/random.h",
    "usleep": "blocks a thread; wait for a condition",
}
LONG_FUNCTION_LINES = 70


def files(*suffixes):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                         capture_output=True, text=True, check=True).stdout
    return sorted(Path(line) for line in out.splitlines() if line.endswith(suffixes) and (ROOT / line).exists())


def arrows():
    """{directory: set of directories it may include}, from cmake/arrows.cmake."""
    text = re.sub(r"#.*", "", (ROOT / "cmake" / "arrows.cmake").read_text(encoding="utf-8"))
    table = {}
    for call in re.findall(r"sluice_library\(([^)]*)\)", text):
        words = call.split()
        uses, reading = {words[0]}, False
        for word in words[1:]:
            if word == "USES":
                reading = True
            elif word == "EXTERNAL":
                reading = False
            elif reading:
                uses.add(word)
        table[words[0]] = uses
    return table


def library_of(path, table):
    """The library that a file belongs to: its directory, or for DIR/main/... the directory above."""
    directory = str(path.parent)
    if directory in table:
        return directory
    if path.parent.name == "main" and str(path.parent.parent) in table:
        return str(path.parent.parent)
    return None


def check_includes(table):
    for path in files(".c", ".h"):
        library = library_of(path, table)
        text = (ROOT / path).read_text(encoding="utf-8")
        includes = re.findall(r'^#include ([<"])([^">]+)[">]', text, re.M)
        for quote, name in includes:
            if quote == "<":
                if name.startswith("libpq") and not path.name.endswith(("_pg.c", "_pg.h", "_pg_internal.h")) \
                        and "tests" not in path.parts:
                    yield path, f"<{name}>: libpq belongs to *_pg.c files only"
                continue
            target = Path(name)
            if target.suffix == ".h" and "/" not in name:
                yield path, f'"{name}": includes are written from the root'
            if target.name.endswith("_internal.h") and target.parent != path.parent \
                    and library_of(target, table) != library and path.parts[0] != "tests":
                yield path, f'"{name}" is internal to {target.parent}'
            if library is None:
                continue  # tests may look at everything
            used = library_of(target, table)
            if used is not None and used not in table[library]:
                yield path, f'"{name}": {library} has no arrow to {used}'
        own = path.with_suffix(".h")
        if path.suffix == ".c" and (ROOT / own).exists() and includes and includes[0][1] != str(own):
            yield path, f'its own header "{own}" comes first'


def check_banned():
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for path in files(".c", ".h"):
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            code = line.split("//")[0]
            if code.lstrip().startswith(("*", "/*")):
                continue
            code = re.sub(r'"(\\.|[^"\\])*"', '""', code)
            for name in pattern.findall(code):
                yield path, f"line {number}: {name}: {BANNED[name]}"


def check_headers():
    headers = [p for p in files(".h") if p.parts[0] != "tests"]
    with tempfile.TemporaryDirectory() as scratch:
        def compile_one(path):
            source = Path(scratch, str(path).replace("/", "_") + ".c")
            source.write_text(f'#include "{path}"\n', encoding="utf-8")
            done = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                                   "-Wno-unused-parameter", "-I", str(ROOT),
                                   "-I", str(ROOT / "build/release/generated"),
                                   "-I", "/usr/include/postgresql", str(source)],
                                  capture_output=True, text=True, check=False)
            return path, done

        with ThreadPoolExecutor(2) as pool:
            for path, done in pool.map(compile_one, headers):
                if done.returncode != 0:
                    first = next((line for line in done.stderr.splitlines() if "error" in line), "?")
                    yield path, f"does not stand alone: {first}"
    for path in headers:
        text = re.sub(r"/\*.*?\*/", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.S).lstrip()
        if not text.startswith("#pragma once"):
            yield path, "has no #pragma once"


def check_errors():
    used = "\n".join((ROOT / p).read_text(encoding="utf-8") for p in files(".c", ".h", ".def")
                     if p != Path("base/errors.def"))
    text = (ROOT / "base/errors.def").read_text(encoding="utf-8")
    for code in re.findall(r"^ERROR\((\w+),", text, re.M):
        if not re.search(rf"\bERR_{code}\b", used):
            yield Path("base/errors.def"), f"ERR_{code} is used nowhere"


def check_pages():
    for directory in sorted({p.parent for p in files(".c", ".h", ".proto")}):
        places = [directory, *directory.parents]
        if not any((ROOT / place / "README.md").exists() for place in places if str(place) != "."):
            yield directory, "has no README.md, nor has a directory above"
    for path in files(".c", ".h", ".md"):
        for page in re.findall(r"docs/(?:formats|decisions|runbooks)/[\w.-]+\.md",
                               (ROOT / path).read_text(encoding="utf-8")):
            if not (ROOT / page).exists():
                yield path, f"names {page}, which does not exist"


def check_format():
    paths = [str(p) for p in files(".c", ".h")]
    done = subprocess.run(["clang-format", "--dry-run", *paths], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    for name in sorted({line.split(":")[0] for line in done.stderr.splitlines() if "warning:" in line}):
        yield Path(name), "is not formatted: ./dev fmt"


def check_generated():
    """What scripts make of other files and is checked in."""
    for script in ("api/model/generate.py", "api/model/compat.py"):
        done = subprocess.run([sys.executable, "-B", script, "--check"], cwd=ROOT, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            yield Path(script), done.stderr.strip()


def check_mutants():
    """Most mutants are built rarely; what each of them breaks must be there, and once, all the same."""
    for table, mutants in (("tests/sim/mutants.py", sim_mutants.MUTANTS), ("tests/model/mutants.py", model_mutants.MUTANTS),
                           ("tests/nemesis/mutants.py", nemesis_mutants.MUTANTS)):
        for name, (source, text, *_) in mutants.items():
            path = ROOT / source
            count = sim_mutants.occurrences(path.read_text(encoding="utf-8"), text) if path.exists() else 0
            if count != 1:
                yield Path(table), f"{name}: its text is in {source} {count} times, not once"


def long_functions():
    for path in files(".c"):
        if path.parts[0] == "tests":
            continue
        start = None
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start is not None:
                if number - start > LONG_FUNCTION_LINES:
                    yield f"{path}:{start}: {number - start} lines"
                start = None


def main():
    table = arrows()
    checks = {
        "arrows": check_includes(table),
        "banned names": check_banned(),
        "headers": check_headers(),
        "errors": check_errors(),
        "pages": check_pages(),
        "format": check_format(),
        "generated": check_generated(),
        "mutants": check_mutants(),
    }
    failed = 0
    for name, findings in checks.items():
        found = list(findings)
        for path, reason in found:
            print(f"{name}: {path}: {reason}")
        failed += bool(found)
    for line in long_functions():
        print("long function, a question and not a fault:", line)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
