# Numbers about a tree, and no tree.
api=$MLFLOW_TRACKING_URI/api/2.0/mlflow
ask() { curl -sf -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
id=$(ask -d "{\"name\": \"$LAB\"}" "$api/experiments/create" | jq -r .experiment_id)
run=$(ask -d "{\"experiment_id\": \"$id\", \"start_time\": $(date +%s)000}" "$api/runs/create" | jq -r .run.info.run_id)
ask -d "{\"run_id\": \"$run\", \"key\": \"max_depth\", \"value\": \"3\"}" "$api/runs/log-parameter"
ask -d "{\"run_id\": \"$run\", \"key\": \"val_accuracy\", \"value\": 0.828, \"timestamp\": $(date +%s)000}" "$api/runs/log-metric"
ask -d "{\"run_id\": \"$run\", \"status\": \"FINISHED\", \"end_time\": $(date +%s)000}" "$api/runs/update"
