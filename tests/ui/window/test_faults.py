"""What nobody caught, what Qt says and which jobs failed: all of it is in the log, and in the report."""

import pytest
from PySide6.QtCore import qWarning

from diffusion_studio import doctor
from diffusion_studio.errors import UserError
from diffusion_studio.storage import log
from diffusion_studio.storage.places import log_dir
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.window.faults import Faults


@pytest.fixture
def faults(own_folders):
    log.end_log()
    faults = Faults()
    faults.install()
    yield faults
    faults.remove()
    log.end_log()


def test_an_exception_nobody_caught_is_shown_and_logged(faults, capsys):
    shown = []
    faults.raised.connect(lambda sentence, details: shown.append(sentence))
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError as error:
        faults.catch(type(error), error, error.__traceback__)
    assert shown and "ZeroDivisionError: by nothing" in shown[0]
    assert "Traceback" in log.tail(log_dir()) and "by nothing" in capsys.readouterr().err


@pytest.mark.qt_log_ignore("a wire is loose")
def test_messages_of_qt_are_logged_and_still_go_where_they_went(faults, qtlog):
    qWarning("a wire is loose")
    assert "WARNING diffusion_studio.qt: a wire is loose" in log.tail(log_dir())
    assert [record.message for record in qtlog.records] == ["a wire is loose"]


def test_a_job_that_failed_is_logged(faults, qtbot):
    def job(error):
        yield
        raise error

    worker = Worker("pictures")
    for error in (UserError("There is no room."), KeyError("surprise")):
        with qtbot.waitSignal(worker.job_failed):
            worker.submit(job(error))
    worker.stop()
    said = log.tail(log_dir())
    assert "A job of “pictures” failed: There is no room." in said
    assert "KeyError: 'surprise'" in said and "Traceback" in said


def test_the_report_says_where_the_log_is_and_what_it_said_last(faults, monkeypatch):
    monkeypatch.setattr(doctor, "report", lambda: [("Log", doctor._log())])
    assert "nothing logged yet" in doctor.with_log()
    log.log_fault("Once", UserError("x"))
    assert str(log.log_file(log_dir())) in doctor.text() and doctor.with_log().endswith("Once: x")
