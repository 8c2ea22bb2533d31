"""`lora pull` against a hub that fails, truncates, redirects and lies. About half a minute, most of it waiting."""
import hashlib
import json
import os
import random
import shutil
import signal
import time

import pytest

import hub_server as faults
from hub_server import COMMIT, REPO, Hub, make_certificates
from program import error_line, finish, hashes, lora, start, succeed

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl program")
BIG = "model-00001-of-00002.safetensors"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture
def hub(certificates):
    hub = Hub(certificates)
    content = random.Random(7)
    hub.add("config.json", b'{"model_type": "llama"}')
    hub.add("tokenizer.json", content.randbytes(5000))
    hub.add("chat_template.jinja", b"{{ messages }}")
    hub.add("README.md", b"not needed")
    hub.add("pytorch_model.bin", b"never", stored=True)
    hub.add("model.safetensors.index.json", json.dumps({"weight_map": {"a": BIG, "b": BIG.replace("00001", "00002", 1)}}).encode())
    hub.add(BIG, content.randbytes(3_000_000), stored=True)
    hub.add(BIG.replace("00001", "00002", 1), content.randbytes(400_000), stored=True)
    yield hub
    hub.close()


@pytest.fixture
def pull(hub, certificates, tmp_path):
    def arguments(*more, to=tmp_path / "model", source=(REPO,), timeout=2):
        return ("pull", *source, "--endpoint", hub.endpoint, "--ca-file", certificates / "ca.pem", "--to", to, "--timeout", timeout, *more)

    environment = {k: v for k, v in os.environ.items() if k.lower() not in ("https_proxy", "all_proxy", "no_proxy", "hf_token", "hf_endpoint")}

    def run(*more, **options):
        extra = options.pop("env", {})
        begin = options.pop("begin", False)
        return (start if begin else lora)(*arguments(*more, **options), env=environment | extra)

    run.folder = tmp_path / "model"
    return run


def whole(hub, folder):
    """What lies there is what the hub has, and nothing else but the record."""
    names = [n for n in hub.files if n not in ("README.md", "pytorch_model.bin")]
    found = {k: v for k, v in hashes(folder).items() if k != "pull.json"}
    assert found == {n: hashlib.sha256(hub.files[n]).hexdigest() for n in names}
    return True


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except FileNotFoundError:
            pass
        time.sleep(0.02)
    raise AssertionError("it did not come to that in time")


def refused(done, *parts, code=2):
    line = error_line(done, code)
    for part in parts:
        assert part in line, line
    return line


def test_fetches_what_a_model_needs_and_records_it(hub, pull):
    hub.page_size = 3
    done = pull()
    assert done.returncode == 0, done.stderr
    assert whole(hub, pull.folder)
    record = json.loads((pull.folder / "pull.json").read_text())
    assert (record["source"], record["revision"], record["commit"]) == (REPO, "main", COMMIT)
    assert {f["path"]: f["sha256"] for f in record["files"]} == {k: v for k, v in hashes(pull.folder).items() if k != "pull.json"}
    assert {f["path"]: f["checked"] for f in record["files"]}["config.json"] == "git-sha1"
    assert not hub.asked("pytorch_model.bin") and not hub.asked("README")
    # Everything was asked for at the commit, not at the moving branch.
    assert all(COMMIT in path for _, path, _ in hub.asked("/resolve/"))

    before = len(hub.requests)
    again = pull("--format", "json")
    assert all(f["was_there"] for f in json.loads(again.stdout)["files"]) and json.loads(again.stdout)["bytes_received"] == 0
    assert not [r for r in hub.requests[before:] if "/resolve/" in r[1]]


def test_a_revision_with_slashes(hub, pull):
    assert pull("--revision", "refs/pr/1").returncode == 0
    assert "no such revision" in refused(pull("--revision", "gone", to=pull.folder.with_name("other")))


@pytest.mark.parametrize("name", [BIG, "tokenizer.json"])
def test_goes_on_where_the_connection_broke(hub, pull, name):
    size = len(hub.files[name])
    hub.fault(name, faults.cut(size // 3), faults.cut(size // 3))
    assert pull().returncode == 0 and whole(hub, pull.folder)
    ranges = [h.get("Range") for role, path, h in hub.requests if path.split("?")[0].endswith(name) and role == ("storage" if name in hub.stored else "hub")]
    assert ranges[0] is None and len(ranges) == 3
    first, second = (int(r.removeprefix("bytes=").removesuffix("-")) for r in ranges[1:])
    assert 0 < first <= size // 3 < second <= 2 * (size // 3)


def test_a_later_run_goes_on(hub, pull):
    hub.fault(BIG, faults.cut(1_000_000), faults.status(503))
    refused(pull("--retries", 0), "Run the same command again", code=3)
    part = pull.folder / (BIG + ".part")
    assert 900_000 < part.stat().st_size <= 1_000_000 and not (pull.folder / BIG).exists()
    hub.faults.clear()
    assert pull().returncode == 0 and whole(hub, pull.folder)
    assert 900_000 < int(hub.asked(BIG)[-1][2]["Range"].removeprefix("bytes=").removesuffix("-")) <= 1_000_000


@pytest.mark.parametrize("fault", [faults.ignore_range, faults.changed_etag, faults.wrong_range, faults.status(416)])
def test_a_server_that_does_not_go_on(hub, pull, fault):
    hub.fault(BIG, faults.cut(1_000_000), fault)
    assert pull().returncode == 0 and whole(hub, pull.folder)


def test_a_part_of_another_content_is_not_gone_on_with(hub, pull):
    pull.folder.mkdir()
    (pull.folder / (BIG + ".part")).write_bytes(b"x" * 1000)
    (pull.folder / (BIG + ".part.json")).write_text(json.dumps({"of": "sha256:" + "0" * 64, "etag": '"e"'}))
    assert pull().returncode == 0 and whole(hub, pull.folder)


def test_a_torn_part_is_seen_and_fetched_anew(hub, pull):
    hub.fault(BIG, faults.cut(1_000_000), faults.status(503))
    pull("--retries", 0)
    part = pull.folder / (BIG + ".part")
    part.write_bytes(bytes(part.stat().st_size))
    hub.faults.clear()
    assert pull().returncode == 0 and whole(hub, pull.folder)


@pytest.mark.parametrize("name", [BIG, "tokenizer.json"])
def test_other_bytes_are_never_kept(hub, pull, name):
    hub.fault(name, *[faults.wrong_bytes] * 5)
    refused(pull(), "another hash than announced, twice")
    assert not (pull.folder / name).exists() and not (pull.folder / (name + ".part")).exists()
    hub.faults.clear()
    hub.fault(name, faults.wrong_bytes)  # once may be an accident of the way
    assert pull().returncode == 0 and whole(hub, pull.folder)


@pytest.mark.parametrize("fault", [faults.too_short, faults.too_long, faults.chunked])
def test_a_length_that_differs_is_not_believed(hub, pull, fault):
    hub.fault(BIG, *[fault] * 9)
    refused(pull("--retries", 1), "bytes", code=3)
    assert not (pull.folder / BIG).exists()
    hub.faults.clear()
    hub.fault(BIG, fault)
    assert pull().returncode == 0 and whole(hub, pull.folder)


def test_compressed_answers_are_refused(hub, pull):
    hub.fault("tokenizer.json", faults.zipped)
    refused(pull(), "compressed (gzip)")
    assert not (pull.folder / "tokenizer.json").exists()


def test_throttling_is_heeded(hub, pull):
    hub.fault("config.json", faults.status(429, {"Retry-After": "1"}))
    begun = time.monotonic()
    assert pull().returncode == 0 and whole(hub, pull.folder)
    assert time.monotonic() - begun >= 1
    hub.fault(BIG, faults.status(429, {"Retry-After": "86400"}))
    refused(pull(to=pull.folder.with_name("other")), "status 429", "24 h", code=3)


def test_server_errors_are_tried_again_and_in_the_end_reported(hub, pull):
    hub.fault("config.json", faults.status(500), faults.status(503))
    assert pull().returncode == 0 and whole(hub, pull.folder)
    hub.fault("config.json", *[faults.status(502)] * 9)
    line = refused(pull("--retries", 1, to=pull.folder.with_name("other")), "status 502", "tried 1 more times", code=3)
    assert "html" not in line


def test_a_stalled_transfer_is_given_up_and_gone_on_with(hub, pull):
    hub.fault(BIG, faults.stall(500_000, 30))
    begun = time.monotonic()
    assert pull().returncode == 0 and whole(hub, pull.folder)
    assert 2 <= time.monotonic() - begun < 20


def test_a_stall_before_the_answer(hub, pull):
    hub.fault("config.json", lambda h: h.server.hub.released.wait(30))
    assert pull().returncode == 0 and whole(hub, pull.folder)


@pytest.mark.parametrize("location,words", [
    ("http://127.0.0.1:1/x", "http://"),
    ("ftp://127.0.0.1/x", "not an https URL"),
    ("file:///etc/passwd", "not an https URL"),
    ("https://user:secret@localhost/x", "user name"),
    ("https://lo calhost/x", "host"),
    ("", "names no place"),
])
def test_redirects_that_are_refused(hub, pull, location, words):
    hub.fault("config.json", faults.redirect(location))
    line = refused(pull(), words, "redirect")
    assert "secret" not in line


def test_a_redirect_loop_ends(hub, pull):
    hub.fault("config.json", *[faults.redirect(f"/{REPO}/resolve/{COMMIT}/config.json", 307)] * 20)
    refused(pull(), "redirects more than 10 times")
    assert len(hub.asked("/config.json")) == 11


def test_the_token_goes_to_the_hub_alone(hub, pull):
    hub.fault("config.json", faults.redirect(f"{hub.storage}/any/config.json", 307))
    hub.fault("tokenizer.json", faults.redirect(f"/{REPO}/resolve/{COMMIT}/tokenizer.json", 307))
    assert pull(env={"HF_TOKEN": "hf_secret\n"}).returncode == 0 and whole(hub, pull.folder)
    assert hub.requests
    for role, path, headers in hub.requests:
        assert headers.get("Authorization") == ("Bearer hf_secret" if role == "hub" else None), path
    assert {role for role, _, _ in hub.requests} == {"hub", "storage"}
    assert "hf_secret" not in "".join(f.read_text(errors="replace") for f in pull.folder.glob("*.json"))
    refused(pull(env={"HF_TOKEN": "a\r\nX-Evil: 1"}), "HF_TOKEN", "control character")


def test_no_access(hub, pull):
    hub.fault("config.json", faults.status(403, {"X-Error-Code": "GatedRepo"}))
    refused(pull(), "terms", "HF_TOKEN")
    refused(pull(source=("no-one/nothing",)), "no-one/nothing", "HF_TOKEN")


@pytest.mark.parametrize("name", ["../evil.safetensors", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:evil", "new\nline", "a//b", "./x", "pull.json", "x.part", "a/pull.json", "é" * 200])
def test_names_that_lead_out_are_refused(hub, pull, tmp_path, name):
    hub.extra = [{"type": "file", "path": name, "oid": "0" * 40, "size": 4}]
    del hub.files["pytorch_model.bin"]  # it would be refused first
    refused(pull("--file", "*"), "file name", "made to do harm")
    assert sorted(p.name for p in tmp_path.iterdir()) in ([], ["model"])


def test_names_that_differ_in_case_are_refused(hub, pull):
    hub.add("Config.json", b"{}")
    refused(pull("--file", "?onfig.json"), "case only")
    hub.add("a", b"1")
    hub.add("a/b", b"2")
    refused(pull("--file", "a", "--file", "a/b"), "a file and a folder at once")


def test_links_below_the_folder_are_not_followed(hub, pull, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "target").write_text("precious")
    pull.folder.mkdir()
    hub.add("sub/x.txt", b"hello")
    (pull.folder / "sub").symlink_to(outside)
    refused(pull("--file", "sub/x.txt"), "link")
    (pull.folder / "config.json.part").symlink_to(outside / "target")
    assert pull("--file", "config.json").returncode == 3
    (pull.folder / "config.json.part").unlink()
    (pull.folder / "config.json").symlink_to(outside / "target")
    refused(pull("--file", "config.json"), "not a plain file")
    assert (outside / "target").read_text() == "precious" and len(list(outside.iterdir())) == 1


def test_foreign_files_are_not_overwritten(hub, pull):
    pull.folder.mkdir()
    (pull.folder / "config.json").write_text("mine")
    refused(pull(), "already there")
    assert (pull.folder / "config.json").read_text() == "mine"


def test_a_newer_commit_replaces_what_was_pulled_and_only_that(hub, pull):
    assert pull().returncode == 0
    hub.add("config.json", b'{"model_type": "newer"}')
    assert pull().returncode == 0 and whole(hub, pull.folder)
    (pull.folder / "config.json").write_text("edited")
    refused(pull(), "already there")
    hub.repo = "some-one/else"
    refused(pull(source=("some-one/else",)), "holds what was pulled from " + REPO)


def test_which_files(hub, pull, tmp_path):
    hub.files = {n: b for n, b in hub.files.items() if "safetensors" not in n}
    refused(pull(), "pickles", "safetensors")
    for name in ("m-Q4_K_M.gguf", "m-Q8_0.gguf", "big-00001-of-00002.gguf", "big-00002-of-00002.gguf"):
        hub.add(name, name.encode() * 99, stored=True)
    refused(pull(), "m-Q4_K_M.gguf", "--file")
    refused(pull("--file", "m-*"), "2 models")
    refused(pull("--file", "*Q5*"), "matches nothing", "m-Q8_0.gguf")
    refused(pull("--file", "*.bin"), "pickled weights")
    assert pull("--file", "*Q4_K_M*", to=tmp_path / "one").returncode == 0
    assert sorted(hashes(tmp_path / "one")) == ["m-Q4_K_M.gguf", "pull.json"]
    assert pull("--file", "big-00001*", to=tmp_path / "parts").returncode == 0
    assert sorted(hashes(tmp_path / "parts")) == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "pull.json"]


@pytest.mark.parametrize("answer,words", [
    (b"<html>", "not JSON"),
    (b"[]", "names no commit"),
    (b'{"sha": "../../x"}', "names no commit"),
    (b"[" * 100_000, "not JSON"),
])
def test_an_endpoint_that_is_no_hub(hub, pull, answer, words):
    hub.faults[("hub", f"/api/models/{REPO}/revision/main")] = [lambda h: h.send(200, answer)]
    refused(pull(), words)


def test_a_list_without_end(hub, pull):
    path = f"/api/models/{REPO}/tree/{COMMIT}"
    hub.faults[("hub", path)] = [lambda h: h.send(200, b"[]", {"Link": f'<{h.path}>; rel="next"'})] * 200
    refused(pull(), "does not end")
    hub.faults[("hub", path)] = [lambda h: h.send(200, b"[]", {"Link": f'<{hub.storage}/x>; rel="next"'})]
    refused(pull(), "another server")


def test_certificates_are_verified(hub, pull, certificates, tmp_path):
    done = lora("pull", REPO, "--endpoint", hub.endpoint, "--to", tmp_path / "x")
    refused(done, "certificate", "--ca-file")
    stranger = Hub(certificates, "stranger.pem")
    try:
        done = lora("pull", REPO, "--endpoint", stranger.endpoint, "--ca-file", certificates / "ca.pem", "--to", tmp_path / "x")
        refused(done, "certificate is for another host")
        assert not stranger.requests
    finally:
        stranger.close()
    refused(lora("pull", REPO, "--endpoint", hub.endpoint.replace("https", "http"), "--to", tmp_path / "x"), "http://", "Use https")
    refused(lora("pull", REPO, "--endpoint", hub.endpoint, "--ca-file", tmp_path / "none", "--to", tmp_path / "x"), "--ca-file")


def test_nobody_there(pull, tmp_path):
    done = lora("pull", REPO, "--endpoint", "https://127.0.0.1:9", "--retries", 1, "--to", tmp_path / "x")
    refused(done, "no connection", code=3)


def test_ctrl_c_and_again(hub, pull):
    hub.fault(BIG, faults.stall(800_000, 60))
    process = pull(timeout=60, begin=True)
    until(lambda: (pull.folder / (BIG + ".part")).stat().st_size >= 700_000)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    done = finish(process)
    assert time.monotonic() - begun < 10
    refused(done, "goes on where it stopped", code=130)
    assert pull().returncode == 0 and whole(hub, pull.folder)


def test_kill_at_any_time_and_again(hub, pull):
    for delay in (0.05, 0.15, 0.3):
        hub.fault(BIG, faults.cut(700_000), faults.stall(600_000, 1))
        process = pull(timeout=60, begin=True)
        time.sleep(delay)
        process.kill()
        finish(process)
        assert not (pull.folder / BIG).exists() or hashes(pull.folder)[BIG] == hashlib.sha256(hub.files[BIG]).hexdigest()
    hub.faults.clear()
    assert pull().returncode == 0 and whole(hub, pull.folder)


def test_two_pulls_at_once_do_not_mix(hub, pull):
    hub.fault(BIG, faults.stall(800_000, 60))
    process = pull(timeout=60, begin=True)
    until(lambda: (pull.folder / (BIG + ".part")).stat().st_size >= 700_000)
    refused(pull(), "another lora pull")
    process.send_signal(signal.SIGINT)
    finish(process)


def test_no_room_on_the_disk(hub, pull):
    hub.extra = [{"type": "file", "path": "huge.gguf", "oid": "0" * 40, "size": 10, "lfs": {"oid": "0" * 64, "size": 1 << 60}}]
    refused(pull("--file", "huge.gguf"), "still to come", "left", code=3)
    assert not hub.asked("huge.gguf")
    hub.extra[0]["lfs"]["size"] = 1 << 64
    refused(pull("--file", "huge.gguf"), "size")


# --- addresses ---
def test_one_address(hub, pull, tmp_path):
    url = f"{hub.endpoint}/{REPO}/resolve/{COMMIT}/{BIG}"
    sha = hashlib.sha256(hub.files[BIG]).hexdigest()
    hub.fault(BIG, faults.cut(1_000_000))
    assert pull("--from", url, "--sha256", sha.upper(), source=(), env={"HF_TOKEN": "secret"}).returncode == 0
    assert hashes(pull.folder)[BIG] == sha
    assert not any("Authorization" in headers for _, _, headers in hub.requests)
    refused(pull("--from", url, "--sha256", "0" * 64, source=(), to=tmp_path / "b"), "another hash")
    # Without a hash: what the hub says of its content counts; else the length.
    hub.fault(BIG, *[faults.wrong_bytes] * 2)
    refused(pull("--from", url, source=(), to=tmp_path / "c"), "another hash")
    done = pull("--from", f"{hub.endpoint}/{REPO}/resolve/{COMMIT}/tokenizer.json", source=(), to=tmp_path / "d")
    assert done.returncode == 0 and "nothing to check it against" in done.stdout
    refused(pull("--from", f"{hub.endpoint}/{REPO}/resolve/{COMMIT}/pytorch_model.bin", source=()), "pickle")
    refused(pull("--from", f"{hub.endpoint}/gone.gguf", source=(), to=tmp_path / "e"), "status 404")
    refused(pull("--from", f"{hub.endpoint}/a/..", source=(), to=tmp_path / "e"), "file name")


def test_an_unhashed_file_resumes_by_its_etag_only(hub, pull):
    url = f"{hub.endpoint}/{REPO}/resolve/{COMMIT}/tokenizer.json"
    hub.fault("tokenizer.json", faults.cut(2000), faults.changed_etag)
    assert pull("--from", url, source=()).returncode == 0
    assert (pull.folder / "tokenizer.json").read_bytes() == hub.files["tokenizer.json"]
    assert hub.asked("tokenizer.json")[1][2]["If-Range"].startswith('"')


def test_a_folder_of_files(hub, pull, tmp_path):
    base = f"{hub.endpoint}/{REPO}/resolve/{COMMIT}/"
    sha = hashlib.sha256(hub.files[BIG]).hexdigest()
    assert pull("--from", base, "--sha256", f"{BIG}={sha}", source=()).returncode == 0
    assert whole(hub, pull.folder)
    refused(pull("--from", base, "--sha256", sha, source=(), to=tmp_path / "b"), "NAME=64 hex digits")
    hub.add("model.safetensors.index.json", json.dumps({"weight_map": {"a": "../evil.safetensors"}}).encode())
    refused(pull("--from", base, source=(), to=tmp_path / "c"), "evil")
    refused(pull("--from", f"{hub.endpoint}/nothing/", source=(), to=tmp_path / "d"), "status 404")


def test_a_proxy_is_used_unless_excepted(hub, pull, tmp_path):
    refused(pull("--retries", 0, env={"https_proxy": "http://127.0.0.1:9"}), "connection", code=3)
    assert pull(env={"https_proxy": "http://127.0.0.1:9", "no_proxy": "localhost,127.0.0.1"}).returncode == 0
    refused(pull(env={"https_proxy": "socks5://127.0.0.1:9"}), "https_proxy")


def test_wrong_use(pull):
    refused(lora("pull"), "REPO, or --from URL")
    refused(lora("pull", "a/b/c"), "not the name of a repository")
    refused(lora("pull", "../x"), "not the name of a repository")
    refused(lora("pull", "https://huggingface.co/a/b"), "--from")
    refused(lora("pull", "a/b", "--sha256", "0" * 64), "without --from")
    assert "only for endpoints that you name" in " ".join(succeed("pull", "--help").stdout.split())
