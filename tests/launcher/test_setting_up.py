"""The launcher sets an environment up, once, and again where it is broken."""

import re
import signal
import subprocess
import sys
import time

import pytest

from tests.launcher.conftest import APP, MAKE, PIP, posix, short


def wait_for(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come to be"
        time.sleep(0.02)


@posix
def test_the_first_start_sets_up_and_the_second_only_starts(machine):
    first = machine.run("doctor")
    assert (first.status, short(first.calls)) == (0, [MAKE, PIP, APP])
    assert "set up" in first.err
    second = machine.run("doctor")
    assert (second.status, second.calls, second.err) == (0, ["-m diffusion_studio doctor"], "")


@posix
def test_arguments_and_exit_status_pass_through(machine):
    (machine.fake / "app-status").write_text("130")
    result = machine.run("generate", "--out", "a folder", "*", "")
    assert result.status == 130
    assert result.out.splitlines()[2:] == [
        "with: generate",
        "with: --out",
        "with: a folder",
        "with: *",
        "with: ",
    ]


@posix
def test_it_can_be_called_through_a_link(machine):
    (machine.bin / "ds").symlink_to(machine.checkout / "studio")
    child = subprocess.run(["ds", "models"], env=machine.environment(), capture_output=True, text=True)
    assert child.returncode == 0
    assert (machine.checkout / ".venv" / "bin" / "python").exists()


@posix
def test_a_new_pyproject_is_installed_into_the_same_environment(machine):
    machine.run("doctor")
    with open(machine.checkout / "pyproject.toml", "a") as file:
        file.write("# another version\n")
    assert short(machine.run("doctor").calls) == [PIP, APP]
    assert short(machine.run("doctor").calls) == [APP]


@posix
@pytest.mark.parametrize("damage", ["moved", "python gone", "python broken"])
def test_a_broken_environment_is_made_again(machine, damage):
    machine.run("doctor")
    if damage == "moved":
        machine.checkout = machine.checkout.rename(machine.checkout.with_name("elsewhere"))
    elif damage == "python gone":
        (machine.checkout / ".venv" / "bin" / "python").unlink()
    else:
        with open(machine.checkout / "pyproject.toml", "a") as file:
            file.write("# so that the environment is looked at\n")
        machine.add("python", "#!/bin/sh\nexit 127\n", machine.checkout / ".venv" / "bin")
    assert short(machine.run("doctor").calls) == [MAKE, PIP, APP]
    assert short(machine.run("doctor").calls) == [APP]


@posix
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_set_up_is_begun_again(machine, end):
    (machine.fake / "slow-pip").touch()
    child = machine.popen("doctor")
    wait_for(machine.fake / "pip-began")
    child.send_signal(end)
    child.wait(timeout=30)
    assert machine.checkout.joinpath(".setup", "lock").exists() == (end == signal.SIGKILL)
    (machine.fake / "slow-pip").unlink()  # after SIGKILL pip lives on until it is done
    child.communicate(timeout=30)
    calls = machine.calls()
    assert short(calls) == [MAKE, PIP]
    (machine.fake / "calls").unlink()
    assert short(machine.run("doctor").calls) == [MAKE, PIP, APP]


@posix
def test_two_starts_at_once_set_up_once(machine):
    (machine.fake / "slow-pip").touch()
    first = machine.popen("doctor")
    wait_for(machine.fake / "pip-began")
    second = machine.popen("models")
    time.sleep(0.3)
    assert second.poll() is None
    (machine.fake / "slow-pip").unlink()
    assert [child.communicate(timeout=30) and child.returncode for child in (first, second)] == [0, 0]
    assert sorted(short(machine.calls())) == sorted([MAKE, PIP, APP, APP])


@posix
def test_a_lock_left_by_the_dead_is_taken_over(machine):
    lock = machine.checkout / ".setup" / "lock"
    lock.mkdir(parents=True)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (lock / "pid").write_text(f"{gone.pid}\n")
    assert machine.run("doctor").status == 0
    assert not lock.exists()


@posix
@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("NewConnectionError: Temporary failure in name resolution", "no network"),
        (
            "ERROR: Could not install packages: [Errno 28] No space left on device",
            "the disk is full. About 3 GB are needed in ",
        ),
        (
            "ERROR: No matching distribution found for torch<2.14,>=2.10",
            "there is no torch<2.14,>=2.10 for this system",
        ),
        ("something else entirely", "installing failed: something else entirely"),
    ],
)
def test_a_failing_install_is_one_sentence_and_can_be_tried_again(machine, log, sentence):
    (machine.fake / "pip-fails").write_text(log + "\n")
    failed = machine.run("doctor")
    assert failed.status == 1
    assert re.search(f"could not be set up: .*{sentence}", failed.err)
    (machine.fake / "pip-fails").unlink()
    again = [MAKE, PIP, APP] if "space" in log else [PIP, APP]  # a full disk may have cut something off
    assert short(machine.run("doctor").calls) == again
