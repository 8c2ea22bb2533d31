"""Fixtures of the end-to-end tests. What is made once for all of them is never written to by one."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import program


@pytest.fixture(scope="session", autouse=True)
def built():
    for what, path in (("the program", program.LORA), ("the bundled model", program.GGUF), ("its twin", program.HF_TWIN)):
        if not path.exists():
            pytest.skip(f"{what} is not there: {path}")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return program.make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """40 rows to train on."""
    return program.write_rows(tmp_path_factory.mktemp("data") / "train.jsonl", program.word_rows(40))


@pytest.fixture(scope="session")
def held_out(tmp_path_factory):
    return program.write_rows(tmp_path_factory.mktemp("data") / "eval.jsonl", program.word_rows(8, first=100))


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tiny, rows):
    """A finished training of the tiny model."""
    folder = tmp_path_factory.mktemp("run") / "finished"
    program.succeed("train", "--model", tiny, "--train-data", rows, "--output-dir", folder, "--max-steps", 12,
                    "--learning-rate", "5e-3", "--test-size", 4, "--valid-size", 4,
                    "--threads", 1)
    return folder
