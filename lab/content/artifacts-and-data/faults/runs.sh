# The finished runs of the room's experiment, the newest first, with what they were trained on.
mlflow() { curl -sS -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" "$@"; }
id=$(mlflow "$MLFLOW_TRACKING_URI/api/2.0/mlflow/experiments/get-by-name?experiment_name=$LAB" | jq -r '.experiment.experiment_id // empty')
if [ -z "$id" ]; then echo '[]'; exit 0; fi
mlflow "$MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/search" -H 'Content-Type: application/json' \
	-d "{\"experiment_ids\": [\"$id\"], \"filter\": \"attributes.status = 'FINISHED'\", \"order_by\": [\"attributes.start_time DESC\"], \"max_results\": 5}" |
	jq -c '[.runs[]? | {run: .info.run_name, source: (.inputs.dataset_inputs[0].dataset.source // "nothing" | (fromjson? | .uri?) // .), digest: (.inputs.dataset_inputs[0].dataset.digest // "none")}]'
