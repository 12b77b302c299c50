"""Fills MLflow's database with runs; see fillmlflow.go."""

import sqlite3
import sys
import uuid

db, exp, specs = sqlite3.connect(sys.argv[1], timeout=60), sys.argv[2], sys.argv[3]
runs, metrics, latest, params, tags = [], [], [], [], []
for i, line in enumerate(open(specs)):
    start, acc, loss, lr, team, variant = line.strip().split(",")
    run = uuid.uuid4().hex
    runs.append((run, f"run-{i}", "UNKNOWN", "", "", "bench", "RUNNING", int(start), "", "active", f"mlflow-artifacts:/{exp}/{run}/artifacts", int(exp)))
    for key, value in (("acc", acc), ("loss", loss)):
        metrics.append((key, float(value), int(start), run, 0, 0))
        latest.append((key, float(value), int(start), 0, 0, run))
    params += [("lr", lr, run), ("variant", variant, run)]
    tags += [("team", team, run), ("mlflow.runName", f"run-{i}", run)]
with db:
    db.executemany("INSERT INTO runs (run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,source_version,lifecycle_stage,artifact_uri,experiment_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", runs)
    db.executemany("INSERT INTO metrics (key,value,timestamp,run_uuid,step,is_nan) VALUES (?,?,?,?,?,?)", metrics)
    db.executemany("INSERT INTO latest_metrics (key,value,timestamp,step,is_nan,run_uuid) VALUES (?,?,?,?,?,?)", latest)
    db.executemany("INSERT INTO params (key,value,run_uuid) VALUES (?,?,?)", params)
    db.executemany("INSERT INTO tags (key,value,run_uuid) VALUES (?,?,?)", tags)
