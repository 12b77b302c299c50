"""The requests of the differential test."""

A2, A3 = "/api/2.0/mlflow/", "/api/3.0/mlflow/"
LONG = "x" * 251


def play(p):
    for part in (experiments, runs, logging, searching, experiment_search, history, inputs, registry, versions, registry_search,
                 logged_models, logged_model_search, artifacts, prompts, deletion, bodies):
        part(p)


def experiments(p):
    c = p.call
    c("experiment create", "POST", A2 + "experiments/create", {"name": "one", "tags": [{"key": "a", "value": "b"}]}, capture={"e1": "experiment_id"})
    c("experiment create location", "POST", A2 + "experiments/create", {"name": "two", "artifact_location": "s3://bucket/x"}, capture={"e2": "experiment_id"})
    for label, body in {"same name": {"name": "one"}, "no name": {}, "empty name": {"name": ""}, "number": {"name": 5}, "null": {"name": None}, "long": {"name": "n" * 501},
                        "bad location": {"name": "q", "artifact_location": "s3://a/b#c"}, "dots": {"name": "r", "artifact_location": "s3://a/b?x=../c"},
                        "list": {"name": ["x"]}, "tags no list": {"name": "z", "tags": "a"}, "tag long": {"name": "y", "tags": [{"key": LONG, "value": "v"}]}}.items():
        c("experiment create " + label, "POST", A2 + "experiments/create", body)
    c("experiment get", "GET", A2 + "experiments/get", params={"experiment_id": "$e1"})
    c("experiment get two", "GET", A2 + "experiments/get", params={"experiment_id": "$e2"})
    c("experiment get default", "GET", A2 + "experiments/get", params={"experiment_id": "0"})
    c("experiment get none", "GET", A2 + "experiments/get", params={"experiment_id": "424242"})
    c("experiment get word", "GET", A2 + "experiments/get", params={"experiment_id": "word"})
    c("experiment get missing", "GET", A2 + "experiments/get")
    c("experiment by name", "GET", A2 + "experiments/get-by-name", params={"experiment_name": "one"})
    c("experiment by name none", "GET", A2 + "experiments/get-by-name", params={"experiment_name": "none"})
    c("experiment tag", "POST", A2 + "experiments/set-experiment-tag", {"experiment_id": "$e1", "key": "k", "value": "v"})
    c("experiment tag again", "POST", A2 + "experiments/set-experiment-tag", {"experiment_id": "$e1", "key": "k", "value": "w"})
    c("experiment tag long", "POST", A2 + "experiments/set-experiment-tag", {"experiment_id": "$e1", "key": "k", "value": "v" * 20001})
    c("experiment tag none", "POST", A2 + "experiments/set-experiment-tag", {"experiment_id": "424242", "key": "k", "value": "v"})
    c("experiment tag no key", "POST", A2 + "experiments/set-experiment-tag", {"experiment_id": "$e1", "value": "v"})
    c("experiment tag delete", "POST", A2 + "experiments/delete-experiment-tag", {"experiment_id": "$e1", "key": "k"})
    c("experiment tag delete again", "POST", A2 + "experiments/delete-experiment-tag", {"experiment_id": "$e1", "key": "k"})
    c("experiment rename", "POST", A2 + "experiments/update", {"experiment_id": "$e2", "new_name": "zwei"})
    c("experiment rename taken", "POST", A2 + "experiments/update", {"experiment_id": "$e2", "new_name": "one"})
    c("experiment rename empty", "POST", A2 + "experiments/update", {"experiment_id": "$e2", "new_name": ""})
    c("experiment get after", "GET", A2 + "experiments/get", params={"experiment_id": "$e1"})


def runs(p):
    c = p.call
    c("run create", "POST", A2 + "runs/create", {"experiment_id": "$e1", "run_name": "r1", "user_id": "u", "start_time": 1000, "tags": [{"key": "t", "value": "1"}]},
      capture={"r1": "run.info.run_id"})
    c("run create string time", "POST", A2 + "runs/create", {"experiment_id": "$e1", "run_name": "r2", "start_time": "2000"}, capture={"r2": "run.info.run_id"})
    c("run create tag name", "POST", A2 + "runs/create", {"experiment_id": "$e1", "start_time": 3000, "tags": [{"key": "mlflow.runName", "value": "r3"}]}, capture={"r3": "run.info.run_id"})
    for label, body in {"two names": {"experiment_id": "$e1", "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]},
                        "no experiment": {"experiment_id": "424242"}, "word": {"experiment_id": "word"}, "time word": {"experiment_id": "$e1", "start_time": "soon"},
                        "name number": {"experiment_id": "$e1", "run_name": 5}}.items():
        c("run create " + label, "POST", A2 + "runs/create", body)
    c("run get", "GET", A2 + "runs/get", params={"run_id": "$r1"})
    c("run get uuid", "GET", A2 + "runs/get", params={"run_uuid": "$r1"})
    c("run get both", "GET", A2 + "runs/get", params={"run_uuid": "$r1", "run_id": "$r2"})
    c("run get none", "GET", A2 + "runs/get", params={"run_id": "f" * 32})
    c("run get odd", "GET", A2 + "runs/get", params={"run_id": "../x"})
    c("run get missing", "GET", A2 + "runs/get")
    c("run update", "POST", A2 + "runs/update", {"run_id": "$r1", "status": "FINISHED", "end_time": 5000})
    c("run update number", "POST", A2 + "runs/update", {"run_id": "$r2", "status": 4, "end_time": "6000"})
    c("run update name", "POST", A2 + "runs/update", {"run_id": "$r2", "run_name": "renamed"})
    c("run update name empty", "POST", A2 + "runs/update", {"run_id": "$r2", "run_name": ""})
    c("run update status odd", "POST", A2 + "runs/update", {"run_id": "$r2", "status": "DONE"})
    c("run update none", "POST", A2 + "runs/update", {"run_id": "f" * 32, "status": "FINISHED"})
    c("run update missing", "POST", A2 + "runs/update", {"status": "FINISHED"})
    c("run get renamed", "GET", A2 + "runs/get", params={"run_id": "$r2"})
    c("run tag", "POST", A2 + "runs/set-tag", {"run_id": "$r1", "key": "x", "value": "y"})
    c("run tag empty", "POST", A2 + "runs/set-tag", {"run_id": "$r1", "key": "e", "value": ""})
    c("run tag no value", "POST", A2 + "runs/set-tag", {"run_id": "$r1", "key": "nv"})
    c("run tag name", "POST", A2 + "runs/set-tag", {"run_id": "$r3", "key": "mlflow.runName", "value": "drei"})
    c("run get tag name", "GET", A2 + "runs/get", params={"run_id": "$r3"})
    for label, key in {"slash": "a/b", "dot": "a.b", "space": "a b", "dots": "../a", "absolute": "/a", "double": "a//b", "umlaut": "ä", "colon": "a:b", "hash": "a#b", "percent": "a%b",
                       "star": "a*", "long": LONG, "at": "a@b", "comma": "a,b", "paren": "a(b)", "newline": "a\nb", "dotend": "a/.", "bs": "a\\b"}.items():
        c("run tag key " + label, "POST", A2 + "runs/set-tag", {"run_id": "$r1", "key": key, "value": "v"})
        c("param key " + label, "POST", A2 + "runs/log-parameter", {"run_id": "$r1", "key": key, "value": "v"})
        c("metric key " + label, "POST", A2 + "runs/log-metric", {"run_id": "$r1", "key": key, "value": 1, "timestamp": 1})
    c("run tag delete", "POST", A2 + "runs/delete-tag", {"run_id": "$r1", "key": "x"})
    c("run tag delete again", "POST", A2 + "runs/delete-tag", {"run_id": "$r1", "key": "x"})
    c("run get all", "GET", A2 + "runs/get", params={"run_id": "$r1"})


def logging(p):
    c = p.call
    c("logging run", "POST", A2 + "runs/create", {"experiment_id": "$e1", "run_name": "logging", "start_time": 4000}, capture={"r4": "run.info.run_id"})
    # MLflow stores parts of requests that it should refuse; these must not show in later answers.
    c("run for nonsense", "POST", A2 + "runs/create", {"experiment_id": "$e1", "run_name": "nonsense", "start_time": 1}, capture={"rx": "run.info.run_id"})
    m = lambda **kw: {"run_id": "$r4", "key": "m", "value": 1.5, "timestamp": 10, **kw}
    for label, body in {"one": m(), "step": m(step=3, value=2), "older": m(step=1, value=9), "string": m(value="2.5", timestamp="11", step="4"), "nan": m(key="nan", value="NaN"),
                        "inf": m(key="inf", value="Infinity"), "ninf": m(key="ninf", value="-Infinity"), "no value": {"run_id": "$r4", "key": "m", "timestamp": 1},
                        "no time": {"run_id": "$r4", "key": "m", "value": 1}, "no key": {"run_id": "$r4", "value": 1, "timestamp": 1}, "word": m(value="x"), "time word": m(timestamp="x"),
                        "time float": m(timestamp=1.5), "step float": m(step=1.0), "negative step": m(key="neg", step=-5), "huge": m(key="huge", value=1e308), "bool": m(value=True),
                        "negative time": m(timestamp=-1), "null value": m(value=None), "empty key": m(key=""), "model none": m(model_id="m-none")}.items():
        c("metric " + label, "POST", A2 + "runs/log-metric", body)
    q = lambda **kw: {"run_id": "$r4", "key": "p", "value": "1", **kw}
    for label, body in {"one": q(), "same": q(), "other": q(value="2"), "max": q(key="max", value="v" * 6000), "number": q(key="n", value=5),
                        "empty": q(key="empty", value=""), "none": {"run_id": "$r4", "key": "absent"}, "no run": {"run_id": "f" * 32, "key": "p", "value": "v"}}.items():
        c("param " + label, "POST", A2 + "runs/log-parameter", body)
    met = lambda n: [{"key": f"k{i}", "value": i, "timestamp": 1, "step": 0} for i in range(n)]
    kv = lambda n, v="v": [{"key": f"k{i}", "value": v} for i in range(n)]
    for label, body in {"full": {"metrics": met(800), "params": kv(100), "tags": kv(100)}, "empty": {}, "metrics 1001": {"metrics": met(1001)}, "params 101": {"params": kv(101)},
                        "tags 101": {"tags": kv(101)}, "all 1001": {"metrics": met(901), "params": kv(100)}, "conflict": {"params": kv(1, "w"), "tags": [{"key": "not", "value": "there"}]},
                        "conflict inside": {"params": [{"key": "ci", "value": "1"}, {"key": "ci", "value": "2"}]}, "twice same": {"params": [{"key": "ts", "value": "1"}, {"key": "ts", "value": "1"}]},
                        "bad metric": {"metrics": [{"key": "bad", "value": [], "timestamp": 1}]}, "metric no value": {"metrics": [{"key": "k", "timestamp": 1}]},
                        "metric no key": {"metrics": [{"value": 1, "timestamp": 1}]}, "no list": {"metrics": 5},
                        "nan": {"metrics": [{"key": "bn", "value": "NaN", "timestamp": 1}]},
                        "metric no time": {"metrics": [{"key": "k", "value": 1}]}, "param no key": {"params": [{"value": "x"}]}}.items():
        c("batch " + label, "POST", A2 + "runs/log-batch", {"run_id": "$rx" if label.startswith("bad") else "$r4", **body})
    c("batch no run", "POST", A2 + "runs/log-batch", {"metrics": []})
    c("batch run none", "POST", A2 + "runs/log-batch", {"run_id": "f" * 32, "metrics": []})
    c("batch result", "GET", A2 + "runs/get", params={"run_id": "$r4"})
    # In an experiment of its own: the servers keep long values differently, and every search would show that.
    c("experiment for long values", "POST", A2 + "experiments/create", {"name": "long values"}, capture={"el": "experiment_id"})
    c("run create long", "POST", A2 + "runs/create", {"experiment_id": "$el", "run_name": "long", "start_time": 1, "tags": [{"key": "created", "value": "v" * 8001}]}, capture={"rl": "run.info.run_id"})
    c("param long", "POST", A2 + "runs/log-parameter", {"run_id": "$rl", "key": "p", "value": "v" * 6001})
    c("tag long", "POST", A2 + "runs/set-tag", {"run_id": "$rl", "key": "t", "value": "v" * 8001})
    c("batch long", "POST", A2 + "runs/log-batch", {"run_id": "$rl", "params": [{"key": "bp", "value": "v" * 6001}], "tags": [{"key": "bt", "value": "v" * 8001}]})
    c("long values", "GET", A2 + "runs/get", params={"run_id": "$rl"})
    c("log model", "POST", A2 + "runs/log-model", {"run_id": "$r4", "model_json": '{"artifact_path":"m","flavors":{},"utc_time_created":"x","run_id":"y"}'})
    c("log model fields", "POST", A2 + "runs/log-model", {"run_id": "$r4", "model_json": '{"artifact_path":"m"}'})
    c("log model json", "POST", A2 + "runs/log-model", {"run_id": "$r4", "model_json": "nonsense"})


FILTERS = ["", "metrics.acc > 0.5", "metrics.acc >= 0.5 and params.lr = '0.1'", "metrics.acc < .5", "metrics.acc != 0.1", "metrics.nan = 0", "metrics.nan != 0", "metrics.nan > -1", "metric.acc <= 5e-1",
           "metrics.acc = -1", "metrics.`a b/c` = 1", "metrics.\"a b/c\" = 1", "metrics.acc > '0.5'", "metrics.acc LIKE '1'", "metrics.acc", "metrics.acc >", "acc > 1", "metrics.acc > 0.5 OR metrics.acc < 1",
           "metrics.acc > 0.5 and", "and metrics.acc > 0.5", "(metrics.acc > 0.5)", "metrics.acc > 0.5;", "params.lr = '0.1'", "params.lr != '0.1'", "params.lr LIKE '0.%'", "params.lr LIKE '0._1'",
           "params.lr ILIKE '0.%'", "params.name LIKE 'Al%'", "params.name LIKE 'al%'", "params.name ILIKE 'al%'", "params.lr = 0.1", "params.lr > '0'", "params.lr = \"0.1\"", "params.lr IN ('0.1')",
           "params.`lr` = '0.1'", "param.lr = '0.1'", "parameters.lr = '0.1'", "params.lr IS NULL", "params.lr IS NOT NULL", "tags.team IS NULL", "tags.team is not null", "metrics.acc IS NULL",
           "tags.team = 'blue'", "tags.team != 'blue'", "tag.team = 'blue'", "tags.team LIKE '%u%'", "tags.mlflow.runName = 's1'", "tags.`mlflow.runName` = 's1'", "tags.\"mlflow.runName\" = 's1'",
           "tags.team = 'it''s'", "attributes.status = 'FINISHED'", "status = 'FINISHED'", "attribute.status != 'FINISHED'", "attr.status = 'FINISHED'", "run.status LIKE 'FIN%'", "status = FINISHED",
           "attributes.run_name = 's2'", "run_name LIKE 's%'", "run_name ILIKE 'S%'", "attributes.`run name` = 's2'", "attributes.\"Run name\" = 's2'", "start_time > 100002", "start_time <= 100002",
           "attributes.start_time = 100001", "created > 100002", "end_time > 0", "start_time = 'x'", "start_time > 100001.5", "user_id = 'u'", "user_id != 'u'", "artifact_uri LIKE '%artifacts'",
           "attributes.run_id = '$s1'", "attributes.run_id IN ('$s1', '$s2')", "attributes.run_id NOT IN ('$s1')", "run_id IN ()", "status IN ('FINISHED')", "run_id IN ('a'", "attributes.nothing = 'x'",
           "nothing.x = 'y'", "dataset.name = 'd1'", "datasets.name = 'd1'", "dataset.digest = 'x1'", "dataset.context = 'train'", "dataset.context != 'train'", "dataset.name LIKE 'd%'",
           "dataset.name IN ('d1', 'd2')", "dataset.name NOT IN ('d1')", "dataset.nothing = 'x'", "dataset.name = 5", "metrics.acc > 1e400", "metrics.acc = 0.1 AND metrics.acc = 0.1", "'acc' > 1",
           "metrics.acc == 0.1", "metrics.acc <> 0.1", "metrics.acc => 0.1", "params.lr = 'unclosed", "metrics.acc > 0.1 metrics.acc < 1", "tags.team = 'blue' AND dataset.name = 'd1' AND metrics.acc > 0",
           "params.x-y = 'z'", "tags.a.b.c = 'deep'", "metrics.1st > 0", "lifecycle_stage = 'active'", "tags.team LIKE 'b%' and tags.team LIKE '%e'", "tags.team RLIKE 'b.*'", "params.lr like '0.%'",
           "tags.team = 'BLUE'", "tags.team ILIKE 'BLUE'", "metrics.acc > 0x10", "metrics.acc > +0.1", "params.glob LIKE '%*%'", "params.glob LIKE '%[%'", "params.glob = 'a*[b]?'", "params.name = 'Älpha'",
           "params.name LIKE 'Ä%'", "params.name ILIKE 'ä%'", "tags.team='blue'", "metrics.acc>0.5"]
ORDERS = [["metrics.acc"], ["metrics.acc DESC"], ["metrics.acc asc"], ["metrics.nan DESC"], ["metrics.nan"], ["params.lr DESC"], ["params.lr", "metrics.acc DESC"], ["tags.team"], ["start_time"],
          ["start_time DESC"], ["attributes.start_time ASC"], ["end_time"], ["end_time DESC"], ["status", "start_time"], ["run_name DESC"], ["metrics.none"], ["params.none DESC"],
          ["metrics.acc SIDEWAYS"], ["nothing"], ["metrics.acc", "metrics.acc"], [""], ["metrics.`a b/c`"], ["metrics.\"a b/c\" DESC"], ["user_id", "created"], ["Created"], ["dataset.name"],
          ["metrics.acc DESC NULLS LAST"], ["tags.`mlflow.runName` DESC"]]


def searching(p):
    c = p.call
    c("search experiment", "POST", A2 + "experiments/create", {"name": "search"}, capture={"es": "experiment_id"})
    for i, (acc, lr, name, team) in enumerate([(0.1, "0.1", "Alpha", "blue"), (0.5, "0.01", "alpine", "red"), (0.9, "0.1", "Älpha", "blue"), (None, None, None, "it's"), (0.7, "0.001", "beta", None)], 1):
        c(f"search run {i}", "POST", A2 + "runs/create", {"experiment_id": "$es", "run_name": f"s{i}", "start_time": 100000 + i, "user_id": "u" if i < 3 else ""}, capture={f"s{i}": "run.info.run_id"})
        metrics = [{"key": "acc", "value": acc, "timestamp": 1, "step": 0}] if acc else [{"key": "nan", "value": "NaN", "timestamp": 1, "step": 0}, {"key": "a b/c", "value": 1, "timestamp": 1, "step": 0}]
        params = [{"key": "lr", "value": lr}, {"key": "name", "value": name}] if lr else [{"key": "glob", "value": "a*[b]?"}]
        c(f"search log {i}", "POST", A2 + "runs/log-batch", {"run_id": f"$s{i}", "metrics": metrics, "params": params, "tags": ([{"key": "team", "value": team}] if team else []) + [{"key": "a.b.c", "value": "deep"}]})
    c("search end", "POST", A2 + "runs/update", {"run_id": "$s1", "status": "FINISHED", "end_time": 200000})
    c("search metric nan", "POST", A2 + "runs/log-metric", {"run_id": "$s1", "key": "nan", "value": 3, "timestamp": 1})
    for run, ds, context in (("$s1", "d1", "train"), ("$s2", "d1", "eval"), ("$s3", "d2", None)):
        c("search input " + run, "POST", A2 + "runs/log-inputs", {"run_id": run, "datasets": [{"dataset": {"name": ds, "digest": "x" + ds[1], "source_type": "local", "source": "{}"},
          "tags": [{"key": "mlflow.data.context", "value": context}] if context else []}]})
    for f in FILTERS:
        c("filter " + f, "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "filter": f})
    for o in ORDERS:
        c(f"order {o}", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "order_by": o})
        c(f"order two experiments {o}", "POST", A2 + "runs/search", {"experiment_ids": ["$es", "$e2"], "order_by": o})
    for n in (1, 0, -1, 50000, 50001, "2", "x", 2.0, 1.5):
        c(f"search max {n!r}", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "max_results": n})
    for v in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 2, "NOTHING"):
        c(f"search view {v}", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "run_view_type": v})
    c("search nothing", "POST", A2 + "runs/search", {})
    c("search no experiment", "POST", A2 + "runs/search", {"experiment_ids": ["424242"]})
    c("search experiments string", "POST", A2 + "runs/search", {"experiment_ids": "$es"})
    c("search order string", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "order_by": "metrics.acc"})
    c("search token nonsense", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "page_token": "nonsense"})
    c("search page 1", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "max_results": 2, "order_by": ["metrics.acc DESC"]}, capture={"token": "next_page_token"})
    c("search page 2", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "max_results": 2, "order_by": ["metrics.acc DESC"], "page_token": "$token"}, capture={"token": "next_page_token"})
    c("search page 3", "POST", A2 + "runs/search", {"experiment_ids": ["$es"], "max_results": 2, "order_by": ["metrics.acc DESC"], "page_token": "$token"})


def experiment_search(p):
    c = p.call
    for i in range(4):
        c(f"se create {i}", "POST", A2 + "experiments/create", {"name": f"se-{i}", "tags": [{"key": "n", "value": str(i % 2)}]}, capture={f"se{i}": "experiment_id"})
    c("se delete", "POST", A2 + "experiments/delete", {"experiment_id": "$se3"})
    for f in ["name = 'se-1'", "name LIKE 'se-%'", "name LIKE 'SE-%'", "name ILIKE 'SE-%'", "tags.n = '1'", "tag.n != '1'", "tags.`n` = '0' and name LIKE 'se%'", "name != 'se-1' and name LIKE 'se%'", "name = 5",
              "creation_time > 0 and name LIKE 'se%'", "creation_time < 5", "last_update_time >= 1 and name LIKE 'se%'", "nothing = 'x'", "metrics.x > 1", "name IN ('se-1')", "attribute.name = 'se-0'",
              "tags.n IS NULL and name LIKE 'se%'", "tags.n IS NOT NULL", "experiment_id = '$se1'", "name = 'se-1' or name = 'se-2'", "experiment_id IN ('$se1')"]:
        for method in ("POST", "GET"):
            q = {"filter": f, "max_results": 100}
            c(f"se {method} {f}", method, A2 + "experiments/search", q if method == "POST" else None, q if method == "GET" else None)
    for o in (["name"], ["name DESC"], ["creation_time"], ["last_update_time DESC"], ["experiment_id"], ["experiment_id DESC"], ["nothing"], ["name", "name"], ["tags.n"]):
        c(f"se order {o}", "POST", A2 + "experiments/search", {"filter": "name LIKE 'se%'", "order_by": o, "max_results": 100})
    for v in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        c(f"se view {v}", "POST", A2 + "experiments/search", {"filter": "name LIKE 'se%'", "view_type": v, "order_by": ["name"], "max_results": 100})
    for n in (1, 0, -1, 50000, 50001, None):
        c(f"se max {n}", "POST", A2 + "experiments/search", {"filter": "name LIKE 'se-1'", **({"max_results": n} if n is not None else {})})
    c("se default order", "POST", A2 + "experiments/search", {"filter": "name LIKE 'se%'", "max_results": 100})


def history(p):
    c = p.call
    c("history run", "POST", A2 + "runs/create", {"experiment_id": "$e1", "run_name": "history", "start_time": 7000}, capture={"rh": "run.info.run_id"})
    c("history log", "POST", A2 + "runs/log-batch", {"run_id": "$rh", "metrics": [{"key": "h", "value": i % 7, "timestamp": 100 + i, "step": i} for i in range(50)] + [{"key": "h", "value": 3, "timestamp": 150, "step": 3}] * 2})
    get = lambda label, params, path="get-history": c("history " + label, "GET", A2 + "metrics/" + path, params=params)
    get("all", {"run_id": "$rh", "metric_key": "h"})
    get("uuid", {"run_uuid": "$rh", "metric_key": "h"})
    get("none", {"run_id": "$rh", "metric_key": "nothing"})
    get("no run", {"run_id": "f" * 32, "metric_key": "h"})
    get("no key", {"run_id": "$rh"})
    get("max", {"run_id": "$rh", "metric_key": "h", "max_results": 5})
    get("max 0", {"run_id": "$rh", "metric_key": "h", "max_results": 0})
    get("max word", {"run_id": "$rh", "metric_key": "h", "max_results": "x"})
    get("token", {"run_id": "$rh", "metric_key": "h", "page_token": "nonsense", "max_results": 3})
    get("interval", {"run_ids": ["$rh", "$r4"], "metric_key": "h", "max_results": 10}, "get-history-bulk-interval")
    get("interval steps", {"run_ids": "$rh", "metric_key": "h", "max_results": 5, "start_step": 10, "end_step": 20}, "get-history-bulk-interval")
    get("interval one step", {"run_ids": "$rh", "metric_key": "h", "start_step": 10}, "get-history-bulk-interval")
    get("interval backwards", {"run_ids": "$rh", "metric_key": "h", "start_step": 10, "end_step": 5}, "get-history-bulk-interval")
    get("interval max", {"run_ids": "$rh", "metric_key": "h", "max_results": 2501}, "get-history-bulk-interval")
    get("interval max 0", {"run_ids": "$rh", "metric_key": "h", "max_results": 0}, "get-history-bulk-interval")
    get("interval no runs", {"metric_key": "h"}, "get-history-bulk-interval")
    c("history bulk", "GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk", params={"run_id": ["$rh"], "metric_key": "h", "max_results": 5})
    c("history bulk no runs", "GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk", params={"metric_key": "h"})


def inputs(p):
    c = p.call
    d = lambda **kw: {"name": "n", "digest": "d", "source_type": "local", "source": "{}", **kw}
    for label, body in {"one": {"datasets": [{"dataset": d(schema="s", profile="p"), "tags": [{"key": "mlflow.data.context", "value": "c"}]}]}, "again": {"datasets": [{"dataset": d()}]},
                        "no name": {"datasets": [{"dataset": d(name="")}]}, "no digest": {"datasets": [{"dataset": d(digest="")}]}, "no source": {"datasets": [{"dataset": d(name="ns", source="")}]},
                        "no type": {"datasets": [{"dataset": d(name="nt", source_type="")}]}, "long digest": {"datasets": [{"dataset": d(name="ld", digest="d" * 64)}]},
                        "very long digest": {"datasets": [{"dataset": d(name="vl", digest="d" * 300)}]}, "long name": {"datasets": [{"dataset": d(name="n" * 501)}]}, "tag long": {"datasets": [{"dataset": d(name="tl"), "tags": [{"key": "k", "value": "v" * 501}]}]},
                        "empty": {"datasets": []}, "none": {}, "models": {"models": [{"model_id": "m-1"}]}}.items():
        c("inputs " + label, "POST", A2 + "runs/log-inputs", {"run_id": "$rx" if label.startswith(("no ", "long digest")) else "$r1", **body})
    c("inputs no run", "POST", A2 + "runs/log-inputs", {"datasets": []})
    c("inputs result", "GET", A2 + "runs/get", params={"run_id": "$r1"})
    c("outputs", "POST", A2 + "runs/outputs", {"run_id": "$r1", "models": [{"model_id": "m-9", "step": 4}]})
    c("outputs none", "POST", A2 + "runs/outputs", {"run_id": "$r1"})
    c("outputs result", "GET", A2 + "runs/get", params={"run_id": "$r1"})
    c("search datasets", "POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ["$es"]}, same_order=False)
    c("search datasets none", "POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {})


def registry(p):
    c = p.call
    c("model create", "POST", A2 + "registered-models/create", {"name": "m1", "description": "d", "tags": [{"key": "a", "value": "b"}]})
    for label, body in {"same": {"name": "m1"}, "none": {}, "empty": {"name": ""}, "space": {"name": " "}, "slash": {"name": "a/b"}, "colon": {"name": "a:b"}, "number": {"name": 4},
                        "tag long": {"name": "tl", "tags": [{"key": LONG, "value": "v"}]}, "tag value": {"name": "tv", "tags": [{"key": "k", "value": "v" * 100001}]}, "percent": {"name": "a%b"}, "umlaut": {"name": "mödel"}}.items():
        c("model create " + label, "POST", A2 + "registered-models/create", body)
    c("model get", "GET", A2 + "registered-models/get", params={"name": "m1"})
    c("model get none", "GET", A2 + "registered-models/get", params={"name": "none"})
    c("model get missing", "GET", A2 + "registered-models/get")
    c("model update", "PATCH", A2 + "registered-models/update", {"name": "m1", "description": "new"})
    c("model update none", "PATCH", A2 + "registered-models/update", {"name": "none", "description": "new"})
    c("model update empty", "PATCH", A2 + "registered-models/update", {"name": "m1"})
    c("model tag", "POST", A2 + "registered-models/set-tag", {"name": "m1", "key": "k", "value": "v"})
    c("model tag none", "POST", A2 + "registered-models/set-tag", {"name": "none", "key": "k", "value": "v"})
    c("model tag no key", "POST", A2 + "registered-models/set-tag", {"name": "m1", "value": "v"})
    c("model tag odd", "POST", A2 + "registered-models/set-tag", {"name": "m1", "key": "a#b", "value": "v"})
    c("model tag delete", "DELETE", A2 + "registered-models/delete-tag", {"name": "m1", "key": "k"})
    c("model tag delete again", "DELETE", A2 + "registered-models/delete-tag", {"name": "m1", "key": "k"})
    c("model rename", "POST", A2 + "registered-models/rename", {"name": "m1", "new_name": "m2"})
    c("model rename none", "POST", A2 + "registered-models/rename", {"name": "m1", "new_name": "m3"})
    c("model rename empty", "POST", A2 + "registered-models/rename", {"name": "m2", "new_name": ""})
    c("model rename taken", "POST", A2 + "registered-models/rename", {"name": "m2", "new_name": "mödel"})
    c("model get renamed", "GET", A2 + "registered-models/get", params={"name": "m2"})


def versions(p):
    c = p.call
    new = lambda label, capture=None, **kw: c("version " + label, "POST", A2 + "model-versions/create", {"name": "m2", "source": "s3://b/m", **kw}, capture=capture)
    new("create", tags=[{"key": "t", "value": "1"}], description="d", run_link="http://x")
    new("create run", run_id="$r1")
    new("create 3")
    for label, kw in {"no source": {"source": ""}, "local": {"source": "/tmp/x"}, "file": {"source": "file:///tmp/x"}, "dots": {"source": "s3://b/../x"}, "encoded dots": {"source": "s3://b/%2e%2e/x"},
                      "no model": {"name": "none"}, "relative": {"source": "abc"}, "proxy no run": {"source": "mlflow-artifacts:/1/x"}, "proxy run": {"source": "mlflow-artifacts:/$e1/$r1/artifacts/m", "run_id": "$r1"},
                      "proxy other run": {"source": "mlflow-artifacts:/$e1/$r2/artifacts/m", "run_id": "$r1"}, "runs uri": {"source": "runs:/$r1/model", "run_id": "$r1"}, "runs uri other": {"source": "runs:/$r1/model", "run_id": "$r2"},
                      "models uri": {"source": "models:/m2/1"}, "run none": {"run_id": "f" * 32}, "tag long": {"tags": [{"key": LONG, "value": "v"}]}, "nul": {"source": "s3://b/%00"}}.items():
        new("create " + label, **kw)
    g = {"name": "m2", "version": "1"}
    c("version get", "GET", A2 + "model-versions/get", params=g)
    c("version get none", "GET", A2 + "model-versions/get", params={"name": "m2", "version": "99"})
    c("version get word", "GET", A2 + "model-versions/get", params={"name": "m2", "version": "x"})
    c("version get missing", "GET", A2 + "model-versions/get", params={"name": "m2"})
    c("version get model none", "GET", A2 + "model-versions/get", params={"name": "none", "version": "1"})
    c("version update", "PATCH", A2 + "model-versions/update", {**g, "description": "new"})
    c("version update none", "PATCH", A2 + "model-versions/update", {"name": "m2", "version": "99", "description": "new"})
    c("version uri", "GET", A2 + "model-versions/get-download-uri", params=g)
    c("version tag", "POST", A2 + "model-versions/set-tag", {**g, "key": "k", "value": "v"})
    c("version tag none", "POST", A2 + "model-versions/set-tag", {"name": "m2", "version": "99", "key": "k", "value": "v"})
    c("version tag delete", "DELETE", A2 + "model-versions/delete-tag", {**g, "key": "k"})
    c("version tag delete again", "DELETE", A2 + "model-versions/delete-tag", {**g, "key": "k"})
    for label, v, stage, archive in (("staging", "1", "Staging", False), ("production", "2", "production", True), ("production again", "3", "Production", True), ("archive none", "1", "None", True),
                                     ("odd", "1", "Nowhere", False), ("archived", "1", "archived", False), ("version none", "99", "Staging", False)):
        c("stage " + label, "POST", A2 + "model-versions/transition-stage", {"name": "m2", "version": v, "stage": stage, "archive_existing_versions": archive})
    for v in ("1", "2", "3"):
        c("stage result " + v, "GET", A2 + "model-versions/get", params={"name": "m2", "version": v})
    for label, q in {"all": {"name": "m2"}, "production": {"name": "m2", "stages": ["Production"]}, "odd": {"name": "m2", "stages": ["Odd"]}, "none": {"name": "none"}, "case": {"name": "m2", "stages": ["production", "NONE"]}}.items():
        c("latest " + label, "POST", A2 + "registered-models/get-latest-versions", q)
        c("latest get " + label, "GET", A2 + "registered-models/get-latest-versions", params=q)
    al = lambda label, method="POST", **kw: c("alias " + label, method, A2 + "registered-models/alias", {"name": "m2", "alias": "best", "version": "2", **kw})
    al("set")
    al("second", alias="other-1")
    al("move", version="3")
    for label, kw in {"latest": {"alias": "latest"}, "v1": {"alias": "v1"}, "V12": {"alias": "V12"}, "space": {"alias": "a b"}, "empty": {"alias": ""}, "long": {"alias": "a" * 256}, "version none": {"version": "99"},
                      "model none": {"name": "none"}, "dash": {"alias": "a-b_c"}, "version word": {"version": "x"}, "upper": {"alias": "LATEST"}}.items():
        al(label, **kw)
    c("alias get", "GET", A2 + "registered-models/alias", params={"name": "m2", "alias": "best"})
    c("alias get latest", "GET", A2 + "registered-models/alias", params={"name": "m2", "alias": "latest"})
    c("alias get none", "GET", A2 + "registered-models/alias", params={"name": "m2", "alias": "none"})
    c("alias get model none", "GET", A2 + "registered-models/alias", params={"name": "none", "alias": "best"})
    c("alias in model", "GET", A2 + "registered-models/get", params={"name": "m2"})
    c("alias delete", "DELETE", A2 + "registered-models/alias", {"name": "m2", "alias": "best"})
    c("alias delete again", "DELETE", A2 + "registered-models/alias", {"name": "m2", "alias": "best"})
    c("version delete", "DELETE", A2 + "model-versions/delete", {"name": "m2", "version": "2"})
    c("version delete again", "DELETE", A2 + "model-versions/delete", {"name": "m2", "version": "2"})


def registry_search(p):
    c = p.call
    for i in range(3):
        c(f"sm create {i}", "POST", A2 + "registered-models/create", {"name": f"sm-{i}", "tags": [{"key": "n", "value": str(i)}]})
        c(f"sm version {i}", "POST", A2 + "model-versions/create", {"name": f"sm-{i}", "source": f"s3://b/{i}", "run_id": "$s1" if i else "", "tags": [{"key": "q", "value": str(i % 2)}]})
    for f in ["", "name = 'sm-1'", "name LIKE 'sm-%'", "name LIKE 'SM%'", "name ILIKE 'SM%'", "tags.n = '1'", "tags.`n` != '1'", "name != 'sm-1'", "name = 5", "nothing = 'x'", "name IN ('sm-1')", "name = 'sm-1' and tags.n = '1'",
              "metrics.x > 1", "name > 'a'", "tags.n LIKE '%'", "creation_timestamp > 1"]:
        c("sm filter " + f, "GET", A2 + "registered-models/search", params={"filter": f})
    for f in ["name = 'sm-1'", "name LIKE 'sm-%'", "run_id = '$s1'", "run_id IN ('$s1')", "source_path = 's3://b/0'", "source_path LIKE '%b/1'", "tags.q = '1'", "version_number = 1 and name LIKE 'sm%'", "version_number > 1 and name = 'm2'",
              "nothing = 'x'", "name ILIKE 'SM-%' and tags.q = '0'", "name = 'sm-1' and run_id = '$s1'", "version_number = 'x'", "name IN ('sm-1', 'sm-2')", "name NOT IN ('sm-1')", "tags.q != '1' and name LIKE 'sm%'"]:
        c("sv filter " + f, "GET", A2 + "model-versions/search", params={"filter": f, "order_by": ["name", "version_number"]})
    for o in (["name"], ["name DESC"], ["timestamp"], ["last_updated_timestamp DESC"], ["creation_timestamp"], ["nothing"], ["name", "name"], ["tags.n"]):
        c(f"sm order {o}", "GET", A2 + "registered-models/search", params={"filter": "name LIKE 'sm-%'", "order_by": o})
    for o in (["name"], ["name DESC"], ["version_number DESC", "name"], ["creation_timestamp"], ["last_updated_timestamp"], ["nothing"], ["run_id"]):
        c(f"sv order {o}", "GET", A2 + "model-versions/search", params={"filter": "name LIKE 'sm-%'", "order_by": o})
    for n in (1, 0, 1000, 1001, "x"):
        c(f"sm max {n}", "GET", A2 + "registered-models/search", params={"filter": "name LIKE 'sm-%'", "max_results": n})
    for n in (1, 0, 200000, 200001):
        c(f"sv max {n}", "GET", A2 + "model-versions/search", params={"filter": "name LIKE 'sm-%'", "max_results": n, "order_by": ["name"]})
    c("sm page", "GET", A2 + "registered-models/search", params={"filter": "name LIKE 'sm-%'", "max_results": 2}, capture={"token": "next_page_token"})
    c("sm page 2", "GET", A2 + "registered-models/search", params={"filter": "name LIKE 'sm-%'", "max_results": 2, "page_token": "$token"})


def logged_models(p):
    c = p.call
    c("lm create", "POST", A2 + "logged-models", {"experiment_id": "$es", "name": "lm", "model_type": "sk", "source_run_id": "$s1", "params": [{"key": "a", "value": "1"}], "tags": [{"key": "t", "value": "u"}]}, capture={"lm1": "model.info.model_id"})
    c("lm create 2", "POST", A2 + "logged-models", {"experiment_id": "$es", "name": "other"}, capture={"lm2": "model.info.model_id"})
    for label, body in {"none": {}, "experiment none": {"experiment_id": "424242"}, "name slash": {"experiment_id": "$es", "name": "a/b"}, "name dot": {"experiment_id": "$es", "name": "a.b"}, "name colon": {"experiment_id": "$es", "name": "a:b"},
                        "name quote": {"experiment_id": "$es", "name": "a'b"}, "name percent": {"experiment_id": "$es", "name": "a%b"}}.items():
        c("lm create " + label, "POST", A2 + "logged-models", body)
    c("lm get", "GET", A2 + "logged-models/$lm1")
    c("lm get none", "GET", A2 + "logged-models/m-none")
    c("lm finalize", "PATCH", A2 + "logged-models/$lm1", {"model_id": "$lm1", "status": "LOGGED_MODEL_READY"})
    c("lm finalize number", "PATCH", A2 + "logged-models/$lm2", {"model_id": "$lm2", "status": 3})
    c("lm finalize none", "PATCH", A2 + "logged-models/m-none", {"model_id": "m-none", "status": "LOGGED_MODEL_READY"})
    c("lm finalize missing", "PATCH", A2 + "logged-models/$lm1", {"model_id": "$lm1"})
    c("lm tags", "PATCH", A2 + "logged-models/$lm1/tags", {"tags": [{"key": "x", "value": "y"}, {"key": "t", "value": "v"}]})
    c("lm tag delete", "DELETE", A2 + "logged-models/$lm1/tags/x")
    c("lm tag delete again", "DELETE", A2 + "logged-models/$lm1/tags/x")
    c("lm params", "POST", A2 + "logged-models/$lm1/params", {"model_id": "$lm1", "params": [{"key": "b", "value": "2"}]})
    c("lm metric", "POST", A2 + "runs/log-metric", {"run_id": "$s1", "key": "acc", "value": 0.8, "timestamp": 5, "step": 1, "model_id": "$lm1", "dataset_name": "dn", "dataset_digest": "dd"})
    c("lm metric newer", "POST", A2 + "runs/log-metric", {"run_id": "$s1", "key": "acc", "value": 0.85, "timestamp": 6, "step": 2, "model_id": "$lm1", "dataset_name": "dn", "dataset_digest": "dd"})
    c("lm metric 2", "POST", A2 + "runs/log-batch", {"run_id": "$s2", "metrics": [{"key": "acc", "value": 0.3, "timestamp": 5, "step": 1, "model_id": "$lm2"}]})
    c("lm get full", "GET", A2 + "logged-models/$lm1")
    c("lm outputs", "POST", A2 + "runs/outputs", {"run_id": "$s1", "models": [{"model_id": "$lm1", "step": 2}]})
    c("lm version", "POST", A2 + "model-versions/create", {"name": "sm-0", "source": "models:/$lm1", "model_id": "$lm1", "run_id": "$s1"})
    c("lm version get", "GET", A2 + "model-versions/get", params={"name": "sm-0", "version": "2"})
    c("lm version uri", "GET", A2 + "model-versions/get-download-uri", params={"name": "sm-0", "version": "2"})
    c("lm artifacts", "GET", A2 + "logged-models/$lm1/artifacts/directories")
    c("lm artifacts none", "GET", A2 + "logged-models/m-none/artifacts/directories")


def logged_model_search(p):
    c = p.call
    for f in ["", "name = 'lm'", "name LIKE 'l%'", "params.a = '1'", "params.a != '1'", "tags.t = 'v'", "metrics.acc > 0.5", "metrics.acc < 0.5", "status = 'READY'", "status = 'FAILED'", "model_type = 'sk'", "source_run_id = '$s1'",
              "model_id = '$lm1'", "creation_time > 5", "creation_timestamp < 5", "nothing = 'x'", "name = 5", "metrics.acc = 'x'", "attributes.name = 'lm' AND metrics.acc > 0.5", "model_id IN ('$lm1', '$lm2')", "name IN ('lm')",
              "name ILIKE 'LM'", "last_updated_timestamp > 0"]:
        c("lms filter " + f, "POST", A2 + "logged-models/search", {"experiment_ids": ["$es"], "filter": f})
    for o in ([{"field_name": "metrics.acc"}], [{"field_name": "metrics.acc", "ascending": False}], [{"field_name": "creation_time"}], [{"field_name": "creation_timestamp", "ascending": False}], [{"field_name": "name"}],
              [{"field_name": "nothing"}], [{}], [{"field_name": "metrics.acc", "dataset_name": "dn"}], [{"field_name": "name", "dataset_name": "dn"}], [{"field_name": "params.a"}], [{"field_name": "tags.t"}],
              [{"field_name": "metrics.acc", "dataset_name": "dn", "dataset_digest": "dd", "ascending": False}]):
        c(f"lms order {o}", "POST", A2 + "logged-models/search", {"experiment_ids": ["$es"], "order_by": o})
    for d in ([{"dataset_name": "dn"}], [{"dataset_name": "dn", "dataset_digest": "zz"}], [{}]):
        c(f"lms datasets {d}", "POST", A2 + "logged-models/search", {"experiment_ids": ["$es"], "datasets": d, "filter": "metrics.acc > 0.1"})
        c(f"lms datasets alone {d}", "POST", A2 + "logged-models/search", {"experiment_ids": ["$es"], "datasets": d})
    c("lms max", "POST", A2 + "logged-models/search", {"experiment_ids": ["$es"], "max_results": 1})
    c("lms none", "POST", A2 + "logged-models/search", {})
    c("lm finalize odd", "PATCH", A2 + "logged-models/$lm2", {"model_id": "$lm2", "status": "ODD"})
    c("lm finalize again", "PATCH", A2 + "logged-models/$lm2", {"model_id": "$lm2", "status": "LOGGED_MODEL_UPLOAD_FAILED"})
    c("lm delete", "DELETE", A2 + "logged-models/$lm2")
    c("lm delete again", "DELETE", A2 + "logged-models/$lm2")
    c("lm get deleted", "GET", A2 + "logged-models/$lm2")
    c("lm get deleted allowed", "GET", A2 + "logged-models/$lm2", params={"allow_deleted": "true"})


def artifacts(p):
    c = p.call
    base = "/api/2.0/mlflow-artifacts/artifacts"
    c("artifact put", "PUT", base + "/$e1/$r1/artifacts/a.txt", raw="hello")
    c("artifact put deep", "PUT", base + "/$e1/$r1/artifacts/d/e/f.json", raw="{}")
    c("artifact put empty", "PUT", base + "/$e1/$r1/artifacts/empty", raw="")
    c("artifact get", "GET", base + "/$e1/$r1/artifacts/a.txt")
    c("artifact get none", "GET", base + "/$e1/$r1/artifacts/none.txt")
    c("artifact get dir", "GET", base + "/$e1/$r1/artifacts/d")
    c("artifact list", "GET", base, params={"path": "$e1/$r1/artifacts"})
    c("artifact list deep", "GET", base, params={"path": "$e1/$r1/artifacts/d/e"})
    c("artifact list none", "GET", base, params={"path": "$e1/nothing"})
    c("artifact list dots", "GET", base, params={"path": "../x"})
    c("artifact list root dots", "GET", base, params={"path": "$e1/../.."})
    c("artifact list absolute", "GET", base, params={"path": "/etc"})
    c("artifact get dots", "GET", base + "/%2e%2e/x")
    c("artifact get double dots", "GET", base + "/a/%252e%252e/x")
    c("run artifacts", "GET", A2 + "artifacts/list", params={"run_id": "$r1"})
    c("run artifacts path", "GET", A2 + "artifacts/list", params={"run_id": "$r1", "path": "d"})
    c("run artifacts file", "GET", A2 + "artifacts/list", params={"run_id": "$r1", "path": "a.txt"})
    c("run artifacts none", "GET", A2 + "artifacts/list", params={"run_id": "$r1", "path": "none"})
    c("run artifacts dots", "GET", A2 + "artifacts/list", params={"run_id": "$r1", "path": "../"})
    c("run artifacts run none", "GET", A2 + "artifacts/list", params={"run_id": "f" * 32})
    c("run artifacts missing", "GET", A2 + "artifacts/list")
    c("artifact page", "GET", "/get-artifact", params={"run_uuid": "$r1", "path": "a.txt"})
    c("artifact delete", "DELETE", base + "/$e1/$r1/artifacts/a.txt")
    c("artifact get deleted", "GET", base + "/$e1/$r1/artifacts/a.txt")
    c("artifact delete dir", "DELETE", base + "/$e1/$r1/artifacts/d")
    c("run artifacts after", "GET", A2 + "artifacts/list", params={"run_id": "$r1"})
    c("mpu create", "POST", "/api/2.0/mlflow-artifacts/mpu/create/$e1/x", {"path": "f.bin", "num_parts": 2})


def prompts(p):
    c = p.call
    c("prompt create", "POST", A2 + "registered-models/create", {"name": "pr", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "mlflow.prompt.text", "value": "x"}]})
    c("prompt version", "POST", A2 + "model-versions/create", {"name": "pr", "source": "prompt-template", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "mlflow.prompt.text", "value": "Hi {{name}}"}]})
    c("prompt version odd", "POST", A2 + "model-versions/create", {"name": "pr", "source": "odd-source", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]})
    c("prompt same as model", "POST", A2 + "registered-models/create", {"name": "pr"})
    c("model same as prompt", "POST", A2 + "registered-models/create", {"name": "m2", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]})
    c("prompts hidden", "GET", A2 + "registered-models/search", params={"filter": "name = 'pr'"})
    c("prompts shown", "GET", A2 + "registered-models/search", params={"filter": "tags.`mlflow.prompt.is_prompt` = 'true'"})
    c("prompts not", "GET", A2 + "registered-models/search", params={"filter": "name LIKE 'sm-%' AND tags.`mlflow.prompt.is_prompt` != 'true'"})
    c("prompt versions hidden", "GET", A2 + "model-versions/search", params={"filter": "name = 'pr'"})
    c("prompt versions shown", "GET", A2 + "model-versions/search", params={"filter": "name = 'pr' AND tags.`mlflow.prompt.is_prompt` = 'true'"})
    c("prompt get", "GET", A2 + "registered-models/get", params={"name": "pr"})
    c("prompt alias", "POST", A2 + "registered-models/alias", {"name": "pr", "alias": "prod", "version": "1"})
    c("prompt alias get", "GET", A2 + "registered-models/alias", params={"name": "pr", "alias": "prod"})


def deletion(p):
    c = p.call
    for label, path, body in (("run delete", "runs/delete", {"run_id": "$r1"}), ("run delete again", "runs/delete", {"run_id": "$r1"}), ("run delete none", "runs/delete", {"run_id": "f" * 32}),
                              ("run deleted tag", "runs/set-tag", {"run_id": "$r1", "key": "a", "value": "b"}), ("run deleted metric", "runs/log-metric", {"run_id": "$r1", "key": "a", "value": 1, "timestamp": 1}),
                              ("run deleted param", "runs/log-parameter", {"run_id": "$r1", "key": "zz", "value": "b"}), ("run deleted batch", "runs/log-batch", {"run_id": "$r1"}),
                              ("run deleted update", "runs/update", {"run_id": "$r1", "status": "FAILED"}), ("run restore", "runs/restore", {"run_id": "$r1"}), ("run restore again", "runs/restore", {"run_id": "$r1"}),
                              ("experiment delete", "experiments/delete", {"experiment_id": "$e1"}), ("experiment delete again", "experiments/delete", {"experiment_id": "$e1"}),
                              ("experiment delete none", "experiments/delete", {"experiment_id": "424242"}), ("experiment deleted run", "runs/create", {"experiment_id": "$e1"}),
                              ("experiment deleted tag", "experiments/set-experiment-tag", {"experiment_id": "$e1", "key": "a", "value": "b"}), ("experiment deleted rename", "experiments/update", {"experiment_id": "$e1", "new_name": "n"}),
                              ("experiment deleted name", "experiments/create", {"name": "one"}), ("experiment restore", "experiments/restore", {"experiment_id": "$e1"}),
                              ("experiment restore again", "experiments/restore", {"experiment_id": "$e1"})):
        c(label, "POST", A2 + path, body)
    c("run after restore", "GET", A2 + "runs/get", params={"run_id": "$r2"})
    c("model delete", "DELETE", A2 + "registered-models/delete", {"name": "m2"})
    c("model delete again", "DELETE", A2 + "registered-models/delete", {"name": "m2"})
    c("version of deleted", "GET", A2 + "model-versions/get", params={"name": "m2", "version": "1"})


def bodies(p):
    c = p.call
    for label, raw in {"empty": "", "text": "hello", "list": "[]", "null": "null", "number": "5", "broken": '{"name": ', "double": '"{\\"name\\": \\"double-encoded\\"}"', "unknown": '{"name": "unknown-fields", "surprise": {"a": [1]}}',
                       "nested": '{"name": {"a": 1}}', "camel": '{"name": "camel", "artifactLocation": "s3://c/d"}', "unicode": '{"name": "\\u00e4\\ud83d\\ude00"}'}.items():
        c("body " + label, "POST", A2 + "experiments/create", raw=raw)
    c("version 3 prefix", "GET", A3 + "experiments/get", params={"experiment_id": "0"})
    c("ajax prefix", "GET", "/ajax-api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})
    c("unknown endpoint", "GET", A2 + "nothing")
    c("wrong method", "GET", A2 + "runs/create")
    c("health", "GET", "/health")
