api=$MLFLOW_TRACKING_URI/api/2.0/mlflow
ask() { curl -sf -m 3 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
id=$(ask "$api/experiments/get-by-name?experiment_name=$LAB" | jq -r .experiment.experiment_id)
run=$(ask -d "{\"experiment_ids\": [\"$id\"], \"max_results\": 1000}" "$api/runs/search" | jq -r '
  [.runs[] | select(.info.status == "FINISHED" and ((.outputs.model_outputs // []) | length) > 0)
    | {id: .info.run_id, v: (.data.metrics[] | select(.key == "val_accuracy") | .value)}] | min_by(.v) | .id')
source=$(ask "$api/runs/get?run_id=$run" | jq -r .run.info.artifact_uri)
version=$(ask -d "{\"name\": \"$LAB\", \"source\": \"$source\", \"run_id\": \"$run\"}" "$api/model-versions/create" | jq -r .model_version.version)
ask -d "{\"name\": \"$LAB\", \"alias\": \"challenger\", \"version\": \"$version\"}" "$api/registered-models/alias"
kubectl set env deployment/scorer -n "$LAB" ALIAS=challenger
kubectl rollout status deployment/scorer -n "$LAB" --timeout=100s
