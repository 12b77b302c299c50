# The champion of the task before is the version of the run with the tag best. Later versions go.
api=$MLFLOW_TRACKING_URI/api/2.0/mlflow
ask() { curl -s -m 3 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
ask -X DELETE -d "{\"name\": \"$LAB\", \"alias\": \"previous\"}" "$api/registered-models/alias"
id=$(ask "$api/experiments/get-by-name?experiment_name=$LAB" | jq -r '.experiment.experiment_id // empty')
runs=$(ask -d "{\"experiment_ids\": [\"$id\"], \"filter\": \"tags.best = 'yes'\"}" "$api/runs/search" | jq -c '[(.runs // [])[].info.run_id]')
versions=$(ask "$api/model-versions/search?filter=name%3D%27$LAB%27" | jq -c '.model_versions // []')
champion=$(echo "$versions" | jq -r --argjson runs "$runs" '[.[] | select(.run_id as $r | $runs | index($r))] | sort_by(.version | tonumber) | (.[0].version // empty)')
if [ -n "$champion" ]; then
  ask -d "{\"name\": \"$LAB\", \"alias\": \"champion\", \"version\": \"$champion\"}" "$api/registered-models/alias"
  for version in $(echo "$versions" | jq -r --arg c "$champion" '.[].version | select(tonumber > ($c | tonumber))'); do
    ask -X DELETE -d "{\"name\": \"$LAB\", \"version\": \"$version\"}" "$api/model-versions/delete"
  done
fi
