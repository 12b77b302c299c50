"""The caller of the lab Probes and rollouts: which rollouts it sees in the answers that it gets."""

from pathlib import Path

import pytest
import yaml

CODE = Path(__file__).parent.parent / "content/probes-and-rollouts/setup/10-code.yaml"


@pytest.fixture
def rollouts():
    """Feed answers to a new caller: (seconds, [(ReplicaSet, version), …] in turn), None for a lost call."""
    maps = [doc for doc in yaml.safe_load_all(CODE.read_text()) if doc and "caller.py" in doc.get("data", {})]
    source = maps[0]["data"]["caller.py"]
    module = {}
    exec(source[: source.index("def call()")], module)
    clock = 0.0

    def feed(*phases, forget=False):
        nonlocal clock
        if forget:
            module["rollouts"].clear()
        for seconds, answers in phases:
            for i in range(int(seconds * 10)):
                answer = answers[i % len(answers)]
                said = answer and {"pod": f"model-{answer[0]}-x", "version": answer[1]}
                module["note"](clock, clock, said, None if said else "lost")
                clock += 0.1
        return [(r["to"], r["rs"][-1], r.get("over", False), r["failed"]) for r in module["rollouts"]]

    return feed


A, B, C = ("a", "v1"), ("b", "v1"), ("c", "v2")


def test_two_rollouts_in_order(rollouts):
    assert rollouts((5, [A]), (2, [A, B]), (6, [B]), (2, [B, C]), (5, [C])) == [
        ("v1", "b", True, 0),
        ("v2", "c", True, 0),
    ]


def test_lost_calls_count(rollouts):
    assert rollouts((5, [A]), (1, [A, C, None]), (4, [C])) == [("v2", "c", True, 3)]


def test_pods_that_leave_are_no_rollout(rollouts):
    """A reset goes from v2 back to v1 and on; the last pods of v2 still answer."""
    rollouts((5, [C]))
    seen = rollouts((1, [C, A]), (1, [C, A, B]), (2, [B, C]), (8, [B]), forget=True)
    assert [r for r in seen if r[0] == "v2"] == []
    assert seen[-1] == ("v1", "b", True, 0)


def test_a_replicaset_that_comes_back(rollouts):
    """What was there before a rollout that was never over may be released again."""
    seen = rollouts((5, [C]), (1, [C, A]), (5, [A, B]), (2, [B, C]), (6, [C]))
    assert seen == [("v1", "a", False, 0), ("v1", "b", False, 0), ("v2", "c", True, 0)]
