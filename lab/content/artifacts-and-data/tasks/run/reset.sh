mlflow() { curl -sS -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
id=$(mlflow "$MLFLOW_TRACKING_URI/api/2.0/mlflow/experiments/get-by-name?experiment_name=$LAB" | jq -r '.experiment.experiment_id // empty')
if [ -z "$id" ]; then exit 0; fi
for run in $(mlflow "$MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/search" -d "{\"experiment_ids\": [\"$id\"], \"max_results\": 100}" | jq -r '.runs[]?.info.run_id'); do
	mlflow "$MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/delete" -d "{\"run_id\": \"$run\"}"
done
