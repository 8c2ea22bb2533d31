#!/usr/bin/env python3
"""Fetches the pinned parts of requirements/parts.lock through pip, checks their SHA-256 and unpacks what is used.

usage: parts.py --cache DIR --deps DIR --lock FILE --torch-index URL GROUP...

Downloads land in CACHE/downloads, groups in DEPS/GROUP. Everything is made under a temporary name and renamed when it
is whole, so a folder that exists is complete and an interrupted run is simply run again. Standard library only.
"""
import argparse
import fcntl
import fnmatch
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile

# pip builds a source archive's metadata even when it is only to download it. That would run the archive's build system
# (and fetch its requirements unpinned); this stand-in of the same name answers instead.
BUILD_STANDIN = """
import pathlib
def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory, "{name}-{version}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\\n")
    return folder.name
"""


def say(text, end="\n"):
    print(text, end=end, file=sys.stderr, flush=True)


def fail(text, code=3):
    say(f"setup: {text}")
    sys.exit(code)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def pip_download(part, folder, extra):
    """One `pip download` of exactly this file into `folder`; returns (done, pip's words)."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{part['name']}==={part['version']} --hash=sha256:{part['sha256']}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check",
               "--progress-bar", "off", "--require-hashes", "-d", str(folder), "-r", str(requirement), *extra]
    environment = dict(os.environ)
    if part["file"].endswith(".whl"):
        command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11", "--abi", "cp311",
                    "--abi", "none", "--platform", "manylinux2014_x86_64"]
        for minor in range(5, 29):
            command += ["--platform", f"manylinux_2_{minor}_x86_64"]
    else:
        standin = folder / "standin" / "scikit_build_core" / "build"
        standin.mkdir(parents=True, exist_ok=True)
        standin.with_name("__init__.py").write_text("")
        (standin / "__init__.py").write_text(
            BUILD_STANDIN.format(name=part["name"].replace("-", "_"), version=part["version"]))
        environment["PYTHONPATH"] = str(folder / "standin")
        command += ["--no-binary=:all:", "--no-build-isolation"]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode == 0 and (folder / part["file"]).exists(), done.stdout + done.stderr


def fetch(part, downloads, torch_index):
    """The verified archive of `part` under `downloads`; fetched when it is not there yet."""
    target = downloads / part["file"]
    if target.exists():
        if sha256(target) == part["sha256"]:
            return target
        say(f"  {part['file']} is not what the lock file names: fetching it again")
        target.unlink()
    start = time.monotonic()
    say(f"  fetching {part['name']} {part['version']} ({part['bytes'] / 1e6:.0f} MB) ...", end="")
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=downloads) as scratch:
        folder = pathlib.Path(scratch)
        done, words = pip_download(part, folder, [])
        if not done and part["version"].endswith("+cpu"):
            # PyPI holds no CPU-only wheel of PyTorch; PyTorch's own index does.
            say(f" from {torch_index} ...", end="")
            done, words = pip_download(part, folder, ["--index-url", torch_index])
        if not done:
            say("")
            fail(f"pip could not download {part['file']}. It says:\n" + "\n".join(line for line in words.splitlines() if "Retrying" not in line) +
                 "\nCheck the network and run ./setup again; what is already fetched is kept."
                 f"\nOr put that file into {downloads} yourself.")
        if sha256(folder / part["file"]) != part["sha256"]:
            say("")
            fail(f"{part['file']} has another SHA-256 than requirements/parts.lock: not used.")
        os.replace(folder / part["file"], target)
    say(f" {time.monotonic() - start:.1f} s")
    return target


def members(archive):
    """(name, a function that opens it) of every regular file in a wheel or .tar.gz, in the archive's order."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as f:
            for info in f.infolist():
                if not info.is_dir():
                    yield info.filename, lambda info=info: f.open(info)
    else:
        with tarfile.open(archive) as f:
            for info in f:
                if info.isfile():
                    yield info.name, lambda info=info: f.extractfile(info)


def unpack(part, archive, into):
    count = 0
    for name, open_member in members(archive):
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in part["take"]):
            continue
        target = into / name.removeprefix(part.get("strip", ""))
        if ".." in target.parts or not target.is_relative_to(into):
            fail(f"{archive.name} holds a name that leaves its folder: {name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_member() as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        count += 1
    if count == 0:
        fail(f"nothing in {archive.name} matches its `take` patterns.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--cache", "--deps", "--lock"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    parser.add_argument("--torch-index", required=True)
    parser.add_argument("groups", nargs="+")
    a = parser.parse_args()
    parts = tomllib.loads(a.lock.read_text())["part"]

    downloads = a.cache / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    a.deps.mkdir(parents=True, exist_ok=True)
    with open(a.cache / ".lock", "w") as lock:  # two set-ups at once take turns
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in [*downloads.glob(".tmp-*"), *a.deps.glob(".tmp-*")]:
            shutil.rmtree(left)
        missing = [g for g in a.groups if not (a.deps / g).exists()]
        needed = [p for p in parts if p["group"] in missing]
        absent = [p for p in needed if not (downloads / p["file"]).exists()]
        if absent:
            say(f"  to download: {len(absent)} files, {sum(p['bytes'] for p in absent) / 1e6:.0f} MB")
        for group in missing:
            wanted = [p for p in needed if p["group"] == group]
            archives = [fetch(p, downloads, a.torch_index) for p in wanted]
            start = time.monotonic()
            scratch = pathlib.Path(tempfile.mkdtemp(prefix=".tmp-", dir=a.deps))
            scratch.chmod(0o755)
            for part, archive in zip(wanted, archives):
                unpack(part, archive, scratch)
            os.sync()
            os.rename(scratch, a.deps / group)
            say(f"  unpacked {group}: {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; run ./setup again, what is already fetched is kept.", 130)
    except OSError as error:
        fail(str(error))
