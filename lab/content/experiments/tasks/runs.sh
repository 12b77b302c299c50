# The runs of the lab's experiment, as JSON. A run is good if it is at least as good on the validation
# rows as the best tree of any depth with leaves of one sample; trees that saw other rows don't count.
api=$MLFLOW_TRACKING_URI/api/2.0/mlflow
ask() { curl -s -m 3 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
id=$(ask "$api/experiments/get-by-name?experiment_name=$LAB" |
  jq -r 'if .error_code == "RESOURCE_DOES_NOT_EXIST" then "none" else .experiment.experiment_id end')
if [ "$id" = none ]; then
  echo '[]'
  exit
fi
ask -d "{\"experiment_ids\": [\"$id\"], \"max_results\": 1000}" "$api/runs/search" | jq -c '
  if has("error_code") then error(.message) else . end
  | [(.runs // [])[] | {
      id: .info.run_id, name: .info.run_name, status: .info.status, models: ((.outputs.model_outputs // []) | length),
      params: ((.data.params // []) | map({(.key): .value}) | add // {}),
      metrics: ((.data.metrics // []) | map({(.key): .value}) | add // {}),
      tags: ((.data.tags // []) | map({(.key): .value}) | add // {})}
    | . + {counts: (.status == "FINISHED" and .metrics.val_accuracy != null and (.metrics.train_rows // 298) >= 298)}]
  | (map(select(.counts and .params.min_samples_leaf == "1") | .metrics.val_accuracy) | max) as $first
  | map(. + {
      good: (.counts and $first != null and .metrics.val_accuracy >= $first),
      better: (.counts and $first != null and .metrics.val_accuracy > $first)})'
