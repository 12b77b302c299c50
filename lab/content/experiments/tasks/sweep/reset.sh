# The oldest finished run with a model stays: it is the one of the task before.
api=$MLFLOW_TRACKING_URI/api/2.0/mlflow
ask() { curl -s -m 3 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
id=$(ask "$api/experiments/get-by-name?experiment_name=$LAB" | jq -r '.experiment.experiment_id // empty')
[ -n "$id" ] || exit 0
for run in $(ask -d "{\"experiment_ids\": [\"$id\"], \"max_results\": 1000}" "$api/runs/search" | jq -r '
  (.runs // []) | sort_by(.info.start_time) as $all
  | ([$all[] | select(.info.status == "FINISHED" and ((.outputs.model_outputs // []) | length) > 0)][0].info.run_id) as $first
  | $all[].info.run_id | select(. != $first)'); do
  ask -d "{\"run_id\": \"$run\"}" "$api/runs/delete"
done
