"""Tells the Python tests where things are, and turns a skip into a failure when LORA_NO_SKIP is set.

A test that cannot find the build or the pinned parts skips, so that one may be run alone. scripts/test.sh has set
everything up: there a skip would hide a test that no longer runs.
"""
import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def set_default(name, path):
    if path.exists():
        os.environ.setdefault(name, str(path))


cache = pathlib.Path(os.environ.get("LORA_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lora.cpp")
written = ROOT / ".deps.cmake"
found = re.search(r'set\(LORA_DEPS "(.*)"\)', written.read_text()) if written.exists() else None
deps = pathlib.Path(os.environ.get("LORA_DEPS") or (found[1] if found else "/nonexistent"))
build = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build"))

set_default("LORA_BUILD_DIR", build)
set_default("LORA_DEPS", deps)
set_default("LORA", build / "lora")
set_default("LORA_HF_DIR", cache / "hf-smollm2")
set_default("LORA_HF_TWIN", cache / "hf-smollm2")
set_default("LORA_GGUF", deps / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf")
set_default("LORA_DUMP_TENSOR", build / "tools" / "dump_tensor")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.skipped and os.environ.get("LORA_NO_SKIP") and not hasattr(report, "wasxfail") \
            and "needs_gpu" not in item.keywords:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome, report.longrepr = "failed", f"skipped although everything is set up: {reason}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session, items):
    """A test file out of which pytest takes no test would pass unnoticed."""
    asked = [pathlib.Path(str(a).split("::")[0]).resolve() for a in session.config.args]
    files = {f for a in asked if a.is_dir() for f in a.rglob("test_*.py")}
    empty = sorted(files - {pathlib.Path(item.path) for item in items})
    if empty:
        raise pytest.UsageError("no test function in " + ", ".join(str(f.relative_to(ROOT)) for f in empty))
