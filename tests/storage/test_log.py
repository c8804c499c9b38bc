"""What went wrong is in a file that does not grow without end, and whose absence keeps nobody from working."""

import logging

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.storage import log


@pytest.fixture(autouse=True)
def ended():
    log.end_log()
    yield
    log.end_log()


def boom():
    raise ZeroDivisionError("by nothing")


def test_faults_are_logged_with_their_traceback_and_what_users_can_mend_without(tmp_path):
    log.begin_log(tmp_path / "logs", "1.2", ["generate", "--seed", "3"])
    assert not (tmp_path / "logs").exists()  # made with the first record
    try:
        boom()
    except ZeroDivisionError as error:
        log.log_fault("A job failed", error)
    log.log_fault("A job failed", UserError("No room.", "errno 28"))
    text = log.log_file(tmp_path / "logs").read_text()
    assert "version 1.2, 'generate' '--seed' '3'" in text.splitlines()[0]
    assert "in boom" in text and "by nothing" in text
    assert "A job failed: No room. [errno 28]" in text.splitlines()[-1]
    assert log.tail(tmp_path / "logs", 1).endswith("[errno 28]")


def test_a_second_begin_changes_nothing(tmp_path):
    for _ in range(3):
        log.begin_log(tmp_path, "1")
    log.log_fault("Once", UserError("x"))
    assert log.log_file(tmp_path).read_text().count("Once") == 1


def test_the_log_rotates(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "LARGEST", 2000)
    log.begin_log(tmp_path, "1")
    for number in range(200):
        log.log_fault("Again", UserError(f"number {number} " + "x" * 50))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 1 + log.KEPT and all(file.stat().st_size <= 2000 for file in files)
    assert "number 199" in log.tail(tmp_path)


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    log.begin_log(tmp_path / "file" / "logs", "1")
    log.log_fault("Lost", UserError("x"))
    assert log.tail(tmp_path / "file" / "logs") == ""
    assert capsys.readouterr() == ("", "")


def test_without_a_log_nothing_is_printed(capsys):
    log.log_fault("Nobody listens", ValueError("x"))
    assert capsys.readouterr() == ("", "")


def test_on_request_the_log_is_on_standard_error_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(log.LOUD, "1")
    log.begin_log(tmp_path, "1")
    logging.getLogger("diffusion_studio.some.module").info("a detail")
    assert "a detail" in capsys.readouterr().err
    assert "a detail" in log.log_file(tmp_path).read_text()


def test_lone_surrogates_of_a_path_are_written_down(tmp_path):
    log.begin_log(tmp_path, "1")
    log.log_fault("Name", UserError("\udcff"))
    assert "\\udcff" in log.log_file(tmp_path).read_text()
