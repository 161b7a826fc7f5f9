#!/usr/bin/env python3
"""`make check`: builds every variant and runs every kind of test.

    tests/check.py [KIND ...]     lint unit fuzz clients component mount passthrough scenarios
                                    packages demo; all without arguments

Each step is one command with a time limit; the end of its output is shown when it fails (or
with V=1). Tests are counted from the runners' own reports (JUnit XML), so the
summary says what really ran, and names what failed with the start of why.
The last line reads "N passed, N failed".
"""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
REPORTS = ROOT / "build" / "reports"
VENV = ROOT / "build" / "venv"
JOBS = str(os.cpu_count() or 2)

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:halt_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclasses.dataclass
class Kind:
    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0


class Run:
    """State of one invocation: results by kind and the failures to repeat at the end."""

    def __init__(self):
        self.kinds = {}
        self.failures = []
        self.failed_tests = []

    def kind(self, name):
        return self.kinds.setdefault(name, Kind(name))

    def step(self, kind_name, title, command, limit=900, env=None, reports=None, cwd=ROOT):
        """Runs one command. With `reports` (a glob in the report folder) the tests in
        those files are counted; without, the step itself counts as one test."""
        kind = self.kind(kind_name)
        print(f"[{kind_name}] {title} ...", flush=True)
        started = time.monotonic()
        ok, output = run(command, limit, env, cwd)
        spent = time.monotonic() - started
        kind.seconds += spent
        counts = count(reports, output) if reports else None
        if counts is None:
            counts = (1, 0, 0) if ok else (0, 1, 0)
        elif not ok and counts[1] == 0:
            counts = (counts[0], 1, counts[2])
        elif ok and counts[0] == 0:
            ok, counts = False, (0, 1, counts[2])
            output += "\nno test ran\n"
        kind.passed += counts[0]
        kind.failed += counts[1]
        kind.skipped += counts[2]
        print(f"    {'ok' if ok else 'FAILED'}: {counts[0]} passed, {counts[1]} failed, "
              f"{counts[2]} skipped in {spent:.0f} s", flush=True)
        if not ok:
            self.failures.append(title)
            self.failed_tests += [f"{title}: {test}" for test in failed_tests(reports or "no-report")]
        if not ok or os.environ.get("V"):
            print(bounded(output), flush=True)
        return ok


def bounded(output):
    """The end of an output, no line of it longer than a thousand characters."""
    lines = (line if len(line) <= 1000 else f"{line[:1000]} ... {len(line)} characters"
             for line in output.splitlines())
    return "\n".join(lines)[-20000:]


def run(command, limit, env, cwd):
    """(success, output). The command gets its own process group, ended whole at the limit."""
    full = dict(os.environ, **SANITIZER_ENV, **(env or {}))
    with subprocess.Popen(command, cwd=cwd, env=full, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          errors="replace", start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            return False, output + f"\nended after {limit} s\n"
        return process.returncode == 0, output


# What the plain runner prints at its end: it writes no report.
SYNTHESIS = re.compile(r"Synthesis: Tested: \d+ \| Passing: (\d+) \| Failing: (\d+) \| Skipped: (\d+)")
# And what each part of a scenario prints at its end.
HELD = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def count(pattern, output):
    """(passed, failed, skipped) over JUnit files, or by the runner's closing line."""
    passed = failed = skipped = 0
    closing = SYNTHESIS.findall(output)
    if not list(REPORTS.glob(pattern)) and closing:
        return tuple(int(n) for n in closing[-1])
    if not list(REPORTS.glob(pattern)):
        held = HELD.findall(output)
        return sum(int(a) for a, _ in held), sum(int(b) for _, b in held), 0
    for path in REPORTS.glob(pattern):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif case.find("skipped") is not None or case.get("status") == "SKIPPED":
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


NAMED = 12  # failed tests that the summary names
LINE = 300  # characters of one line of a summary: a failed comparison of bytes can be megabytes long


def failed_tests(pattern):
    """A line for each test that the JUnit files call failed: its name and the start of the reason."""
    lines = []
    for path in sorted(REPORTS.glob(pattern)):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            bad = case.find("failure")
            bad = case.find("error") if bad is None else bad
            if bad is not None:
                reason = " | ".join((bad.get("message") or bad.text or "").split("\n"))
                lines.append(f"{case.get('classname', '')}::{case.get('name', '')}: {reason}"[:LINE])
    return lines


def make(*args, compiler=None):
    command = ["make", "-s", f"-j{JOBS}", *args]
    if compiler:
        command += [f"CC={compiler}", f"BUILD=build/{compiler}"]
    return command


def sources(*suffixes):
    tops = ("include", "src", "tests")
    return sorted(str(p.relative_to(ROOT)) for top in tops for p in (ROOT / top).rglob("*")
                  if p.suffix in suffixes)


def lint(r):
    r.step("lint", "layers", [sys.executable, "tests/lint/layers.py"])
    r.step("lint", "cited tests", [sys.executable, "tests/lint/cited.py"])
    r.step("lint", "clang-format", ["clang-format", "--dry-run", "-Werror", *sources(".c", ".h")])
    r.step("lint", "clang-tidy", [sys.executable, "tests/lint/tidy.py"], limit=1500)


def unit(r):
    r.step("build", "gcc release", make("VARIANT=release", "programs"))
    r.step("build", "clang debug", make("VARIANT=debug", "programs", "tests-build",
                                        compiler="clang"))
    for variant in ("debug", "asan", "tsan"):
        if not r.step("build", f"gcc {variant}", make(f"VARIANT={variant}", "programs",
                                                      "tests-build"), limit=1500):
            continue
        for program in sorted((ROOT / "build" / variant / "tests").glob("unit-*")):
            report = f"{variant}-{program.name}.xml"
            r.step("unit", f"{program.name} ({variant})",
                   [str(program), "-j2", "--quiet", f"--xml={REPORTS / report}"], reports=report)


def fuzz(r):
    r.step("fuzz", "every harness, briefly", ["make", "-s", "fuzz", "FUZZ_SECONDS=5"], limit=900)


def pytest(r, kind, folder, variant, limit, workers=0):
    """The tests of a folder; with `workers` that many processes share its files, each one whole."""
    report = f"{kind}-{variant}.xml"
    shared = ["-n", str(workers), "--dist", "loadfile"] if workers else []
    r.step(kind, f"{folder} ({variant})",
           [str(VENV / "bin" / "python"), "-m", "pytest", "-q", "-rs", "--tb=short", "-p", "no:cacheprovider",
            *shared, f"--junitxml={REPORTS / report}", folder],
           limit=limit, reports=report,
           env={"VARIANT": variant, "PYTHONDONTWRITEBYTECODE": "1",
                "CI": "", "BUILD_NUMBER": "",  # with either of them pytest prints every byte that differs
                "EMULATOR_VARIANT": variant if kind == "clients" else "release"})


def python_setup(r, folder, wanted, title):
    """A virtual environment with the packages of the file `wanted`."""
    stamp = folder / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return True
    shutil.rmtree(folder, ignore_errors=True)
    ok = (r.step("setup", f"{title}: environment", [sys.executable, "-m", "venv", str(folder)])
          and r.step("setup", title, [str(folder / "bin" / "pip"), "install", "-q", "-r", str(wanted)],
                     limit=1200))
    if ok:
        shutil.copy(wanted, stamp)
    return ok


def clients_setup(r):
    """Clients that nobody here wrote: in a virtual environment and a folder of their own."""
    if not python_setup(r, VENV, ROOT / "tests" / "clients" / "requirements.txt", "Python clients"):
        return False
    js = ROOT / "build" / "js"
    js.mkdir(parents=True, exist_ok=True)
    wanted = ROOT / "tests" / "clients" / "js" / "package.json"
    stamp = js / "package.json"
    if stamp.exists() and stamp.read_text() == wanted.read_text() and (js / "installed").exists():
        return True
    shutil.copy(wanted, stamp)
    ok = r.step("setup", "JavaScript clients",
                ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
                limit=1200, cwd=js)
    if ok:
        (js / "installed").touch()
    return ok


def clients(r):
    wanted = ROOT / "tests" / "clients" / "grants.txt"
    if clients_setup(r) and python_setup(r, ROOT / "build" / "grants-clients", wanted,
                                         "packages for Access Grants"):
        pytest(r, "clients", "tests/clients", "asan", 1500)


def component(r):
    if clients_setup(r):
        for variant in ("debug", "asan", "tsan"):
            pytest(r, "component", "tests/component", variant, 600)


def mount(r):
    wanted = ROOT / "tests" / "mount" / "programs.txt"
    if clients_setup(r) and python_setup(r, ROOT / "build" / "programs", wanted, "programs to run"):
        for variant in ("release", "asan", "tsan"):
            # Most of a test's time is waiting, for 30 ms or for an end of something: two share the processors.
            pytest(r, "mount", "tests/mount", variant, 1800, workers=2)


def passthrough(r):
    if clients_setup(r):
        pytest(r, "passthrough", "tests/passthrough", "release", 1500)


def scenarios(r):
    if not clients_setup(r):
        return
    for program in sorted((ROOT / "tests" / "scenarios").glob("seed_*")):
        for variant in ("release", "asan"):
            r.step("scenarios", f"{program.name} ({variant})", [str(VENV / "bin" / "python"), str(program)],
                   reports=f"no-report-{program.name}", limit=600,
                   env={"VARIANT": variant, "EMULATOR_VARIANT": "release"})


def packages(r):
    r.step("packages", "make install, deb and rpm", ["sh", "tests/packages/run.sh"], limit=900)


def demo(r):
    r.step("demo", "make demo", ["make", "-s", "demo"], limit=300)


STEPS = {"lint": lint, "unit": unit, "fuzz": fuzz, "clients": clients, "component": component,
         "mount": mount, "passthrough": passthrough, "scenarios": scenarios, "packages": packages, "demo": demo}


def main():
    names = sys.argv[1:] or list(STEPS)
    unknown = [n for n in names if n not in STEPS]
    if unknown:
        print(f"unknown kind: {', '.join(unknown)}; known: {', '.join(STEPS)}", file=sys.stderr)
        return 2
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    started = time.monotonic()
    r = Run()
    for name in names:
        STEPS[name](r)
    print(f"\n{'kind':10} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for k in r.kinds.values():
        print(f"{k.name:10} {k.passed:7} {k.failed:7} {k.skipped:8} {k.seconds:8.0f}")
    print(f"total {time.monotonic() - started:.0f} s")
    for title in r.failures:
        print(f"failed: {title}")
    for test in r.failed_tests[:NAMED]:
        print(f"failed test: {test}")
    if len(r.failed_tests) > NAMED:
        print(f"and {len(r.failed_tests) - NAMED} more failed tests")
    passed = sum(k.passed for k in r.kinds.values())
    failed = sum(k.failed for k in r.kinds.values())
    print(f"{passed} passed, {failed} failed")
    return 1 if r.failures else 0


if __name__ == "__main__":
    sys.exit(main())
