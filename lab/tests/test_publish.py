"""No crash, race or full disk may ever leave the servers without a whole version."""

import errno
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import model_store
import publish
from failure import Failure
from support import versions, workloads


def put(volume, made):
    return publish.publish(volume, made[0], made[1])


def check(volume):
    """What a server and a person would find; returns the version."""
    version = publish.published(volume)
    assert model_store.load(volume, str(version)).version == str(version)
    json.loads((volume / "model.json").read_bytes())
    return version


def names(volume):
    return sorted(e.name for e in (volume / "versions").iterdir())


def test_layout(volume, make_version):
    made = make_version(7)
    assert put(volume, made) is None
    assert (volume / "version.txt").read_text() == "7\n"
    assert (volume / "model.json").read_bytes() == (volume / "versions/7/model.json").read_bytes()
    assert sorted(e.name for e in (volume / "versions/7").iterdir()) == ["model.json", "predictor.json"]
    assert sorted(e.name for e in volume.iterdir()) == [".lock", "model.json", "version.txt", "versions"]
    assert check(volume) == 7


def test_keeps_ten_versions(volume, make_version):
    for version in range(1, 15):
        put(volume, make_version(version))
    assert names(volume) == sorted(map(str, range(5, 15)))
    assert check(volume) == 14


def test_keeps_the_version_in_service(volume, make_version):
    path = versions.served_path(volume)
    for version in range(1, 15):
        if version == 3:
            versions.serve(volume, 2)
        made = make_version(version)
        publish.publish(volume, made[0], made[1], path)
    assert names(volume) == sorted(map(str, [2, *range(5, 15)]))
    # Once another is in service it goes like the others.
    versions.serve(volume, 14)
    made = make_version(15)
    publish.publish(volume, made[0], made[1], path)
    assert names(volume) == sorted(map(str, range(6, 16)))


def test_a_registry_that_started_over_leaves_the_version_in_service(volume, make_version):
    for version in range(6, 9):
        put(volume, make_version(version, registered_at=1000))
    versions.serve(volume, 7)
    made = make_version(1, registered_at=2000)
    publish.publish(volume, made[0], made[1], versions.served_path(volume))
    assert names(volume) == ["1", "7"]


def test_a_damaged_file_of_the_version_in_service(volume, make_version, caplog):
    versions.serve_text(volume, "{")
    made = make_version(1)
    assert publish.publish(volume, made[0], made[1], versions.served_path(volume)) is None
    assert "can't tell which version is served, so that no version makes room" in caplog.text
    assert check(volume) == 1
    # Any of them may be the one.
    for version in range(2, 13):
        made = make_version(version)
        publish.publish(volume, made[0], made[1], versions.served_path(volume))
    assert len(names(volume)) == 12
    versions.serve(volume, 1, keep=["2"])
    made = make_version(13)
    publish.publish(volume, made[0], made[1], versions.served_path(volume))
    assert names(volume) == sorted(map(str, [1, 2, *range(4, 14)]))


def test_newer_stays(volume, make_version):
    put(volume, make_version(5))
    before = (volume / "model.json").read_bytes()
    assert put(volume, make_version(4)) == 5
    assert put(volume, make_version(5)) == 5
    assert (volume / "model.json").read_bytes() == before
    assert names(volume) == ["5"]


def test_a_registry_that_started_over_wins(volume, make_version):
    for version in range(6, 9):
        put(volume, make_version(version, registered_at=1000))
    assert put(volume, make_version(1, registered_at=2000)) is None
    assert check(volume) == 1
    assert names(volume) == ["1"]
    # The same number again is a new file for the server, not the old one.
    inode = (volume / "version.txt").stat().st_ino
    held = (volume / "version.txt").open()  # else the file system may give the new file the old one's inode
    assert put(volume, make_version(1, registered_at=3000)) is None
    assert (volume / "version.txt").stat().st_ino != inode
    held.close()


@pytest.mark.parametrize("damage", [b"", b"garbage\n", b"../../etc\n", b"\xff\xfe"])
def test_a_damaged_version_file_is_replaced(volume, make_version, damage):
    put(volume, make_version(1))
    (volume / "version.txt").write_bytes(damage)
    assert put(volume, make_version(2)) is None
    assert check(volume) == 2


def test_a_damaged_newer_version_is_replaced(volume, make_version):
    put(volume, make_version(9))
    (volume / "versions/9/model.json").write_bytes(b"{")
    assert put(volume, make_version(2)) is None
    assert check(volume) == 2


def _crash_at(volume, made, line):
    """Publish in a child that dies, as by kill -9, before its n-th line of publish.py; False when it got through."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame, event, _arg):
            nonlocal left
            if frame.f_code.co_filename != publish.__file__:
                return None
            if event == "line":
                left -= 1
                if left <= 0:
                    os._exit(9)
            return trace

        sys.settrace(trace)
        try:
            put(volume, made)
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    return status == 9


def test_killed_at_every_line(volume, make_version, monkeypatch):
    made = {v: make_version(v, hyper) for v, hyper in ((1, ""), (2, '{"C": 0.1}'), (3, ""), (4, ""), (5, ""))}
    monkeypatch.setattr(publish, "KEEP", 3)
    before = volume / "before"
    before.mkdir()
    # Three are there already, so that pruning runs too.
    for version in (1, 2, 3):
        put(before, made[version])
    line, outcomes = 0, set()
    while True:
        line += 1
        folder = volume / str(line)
        shutil.copytree(before, folder)
        died = _crash_at(folder, made[4], line)
        outcomes.add(check(folder))
        # The next trainer is not held up, and cleans up.
        begun = time.monotonic()
        assert put(folder, made[5]) is None
        assert time.monotonic() - begun < 30
        assert check(folder) == 5
        assert len(names(folder)) == 3
        assert all(re.fullmatch(r"\d", name) for name in names(folder))
        if not died:
            break
    assert outcomes == {3, 4}
    assert line > 60


def _failure(action):
    try:
        action()
    except Failure as err:
        return str(err)
    return None


def test_disk_full_at_every_call(volume, make_version, monkeypatch):
    """Whatever call fails, the message says so, the old version stays whole and nothing is left lying around."""
    put(volume, make_version(1))
    calls = [0]
    fail_at = [0]

    def failing(real):
        def call(*args, **kwargs):
            calls[0] += 1
            if calls[0] == fail_at[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call

    for target, name in ((os, "fsync"), (os, "mkdir"), (os, "rename"), (os, "replace"), (Path, "open")):
        monkeypatch.setattr(target, name, failing(getattr(target, name)))
    version, nth = 2, 0
    while True:
        nth += 1
        made = make_version(version)
        calls[0], fail_at[0] = 0, nth
        message = _failure(lambda: put(volume, made))  # noqa: B023
        fail_at[0] = 0
        if message is None and calls[0] < nth:
            break
        if message is not None:
            assert "No space left on device" in message
            assert "the version served before stays in service" in message
        assert check(volume) in (version - 1, version)
        # A failure after version.txt leaves this version published, the next needs a higher number.
        version = publish.published(volume) + 1
    assert nth > 10


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


def test_lock_is_waited_for_and_then_given_up(volume, make_version):
    (volume / "versions").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(volume / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    message = r"another trainer has been publishing to .* for 0.3 s"
    with pytest.raises(Failure, match=message), publish._locked(volume, seconds=0.3):
        pass
    # Killed, it holds nothing any more.
    holder.kill()
    holder.communicate()
    assert put(volume, make_version(1)) is None


PUBLISHER = """
import json, sys
import publish
for line in sys.stdin:
    made = json.loads(line)
    publish.publish(sys.argv[1], made[0], {"predictor.json": made[1].encode()})
"""


def test_two_trainers_at_once(volume, make_version):
    """Two processes publish 60 versions out of order while a reader looks: each read is whole, none goes back."""
    jitter = random.Random(4)
    order = sorted(range(1, 61), key=lambda v: v + jitter.uniform(0, 8))
    env = workloads.base_env(volume) | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    publishers = [
        subprocess.Popen([sys.executable, "-c", PUBLISHER, str(volume)], stdin=subprocess.PIPE, text=True, env=env)
        for _ in range(2)
    ]
    for i, version in enumerate(order):
        description, files, _ = make_version(version)
        publishers[i % 2].stdin.write(json.dumps([description, files["predictor.json"].decode()]) + "\n")
    for publisher in publishers:
        publisher.stdin.close()
    seen = [0]
    while any(p.poll() is None for p in publishers):
        version = publish.published(volume)
        if version is None:
            continue
        try:
            model_store.load(volume, str(version))
        except model_store.LoadError:
            # Only allowed when ten newer ones came while it was read.
            assert publish.published(volume) > version
            continue
        seen.append(version)
    assert [p.returncode for p in publishers] == [0, 0]
    assert seen == sorted(seen)
    assert len(set(seen)) > 1  # how many depends on how fast the reader is
    assert check(volume) == 60
    assert len(names(volume)) <= 10
