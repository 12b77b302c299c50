"""Sends the same requests to the real MLflow server and to ours and compares.

Identifiers that the servers make up differ; what a step captures under a name
is written as that name before answers are compared. Times, free texts and
page tokens are compared by presence only.
"""

import json
import re

import requests

MASKED = {"message", "creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp", "creation_timestamp_ms",
          "last_updated_timestamp_ms", "next_page_token", "request_time", "create_time", "last_update_time_ms"}


# Fields that the newest server adds and that no client reads from us: the
# error's name on another platform, and the workspace, of which there is one.
DROPPED = {"sqlstate", "error_class", "workspace"}


class Server:
    def __init__(self, base):
        self.base, self.names, self.session = base, {}, requests.Session()

    def fill(self, value):
        if isinstance(value, str):
            return re.sub(r"\$(\w+)", lambda m: self.names.get(m[1], m[0]), value)
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if isinstance(value, dict):
            return {k: self.fill(v) for k, v in value.items()}
        return value

    def blank(self, value, key=""):
        if key in MASKED and value not in (None, "", 0):
            return "*"
        if isinstance(value, str):
            # Identifiers of runs and models are found anywhere; those of
            # experiments are short numbers, known by where they stand.
            for name, v in sorted(self.names.items(), key=lambda x: -len(x[1])):
                if len(v) > 8:
                    value = value.replace(v, "$" + name)
                elif key == "experiment_id" and v == value:
                    return "$" + name
                else:
                    value = re.sub(f"^mlflow-artifacts:/{v}(?=/|$)", f"mlflow-artifacts:/${name}", value)
            return value
        if isinstance(value, list):
            return [self.blank(v) for v in value]
        if isinstance(value, dict):
            return {k: self.blank(v, k) for k, v in value.items() if k not in DROPPED}
        return value

    def send(self, method, path, body=None, params=None, raw=None, headers=None):
        data = raw if raw is not None else (json.dumps(self.fill(body)) if body is not None else None)
        r = self.session.request(method, self.base + self.fill(path), data=data, params=self.fill(params) if params else None,
                                 headers={"Content-Type": "application/json", **(headers or {})}, timeout=60)
        try:
            return r.status_code, r.json()
        except ValueError:
            return r.status_code, r.text if r.status_code < 400 else None


def dig(value, path):
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def tidy(value, ordered=True):
    """Lists of key-value pairs have no order; numbers are numbers."""
    if isinstance(value, dict):
        return {k: tidy(v, k != "latest_versions") for k, v in value.items()}
    if isinstance(value, list):
        items = [tidy(v) for v in value]
        # Key-value pairs, and lists whose order the protocol leaves open.
        if items and all(isinstance(v, dict) and ("key" in v or "alias" in v or "digest" in v or "dataset" in v or "current_stage" in v and not ordered) for v in items):
            items.sort(key=lambda v: json.dumps(v, sort_keys=True))
        return items
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


class Pair:
    def __init__(self, real, ours):
        self.servers = [Server(real), Server(ours)]
        self.steps, self.differences = 0, {}

    def call(self, label, method, path, body=None, params=None, capture=None, raw=None, same_order=True):
        self.steps += 1
        answers = []
        for s in self.servers:
            status, answer = s.send(method, path, body, params, raw)
            for name, where in (capture or {}).items():
                try:
                    s.names[name] = str(dig(answer, where))
                except (KeyError, IndexError, TypeError):
                    self.differences[label] = f"{s.base}: {status} {answer}: no {where}"
                    return
            answers.append((status, answer))
        blanked = [(st, tidy(s.blank(a))) for s, (st, a) in zip(self.servers, answers)]
        if blanked[0][0] >= 400 and blanked[0][1] is None:  # the real server answers some errors with a page
            blanked = [(st, None) for st, _ in blanked]
        if blanked[0] != blanked[1]:
            where, a, b = first_difference(*blanked)
            messages = [x[1].get("message", "") if isinstance(x[1], dict) else "" for x in answers]
            self.differences[label] = (f"{method} {path} {str(body or params or raw)[:200]}\n   at {where}\n"
                                       f"   mlflow: {answers[0][0]} {json.dumps(a)[:300]} {messages[0][:200]}\n   ours:   {answers[1][0]} {json.dumps(b)[:300]} {messages[1][:200]}")


def first_difference(a, b, where=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(set(a) | set(b)):
            if a.get(k) != b.get(k) or (k in a) != (k in b):
                if k in a and k in b:
                    return first_difference(a[k], b[k], f"{where}.{k}")
                return f"{where}.{k}", a.get(k, "(absent)"), b.get(k, "(absent)")
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return first_difference(x, y, f"{where}[{i}]")
    return where, a, b
