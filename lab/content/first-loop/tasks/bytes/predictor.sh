# The sha256 of serving/predictor.json of the run that the learner has noted, or nothing.
run=$(kubectl get configmap findings -n "$LAB" -o jsonpath='{.data.run}' --ignore-not-found)
ask() { curl -s -m 4 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" "$@"; }
place=$(ask --get --data-urlencode "run_id=${run:-none}" "$MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/get" |
  jq -r 'if .error_code then "" else .run.info.artifact_uri end')
if [ -z "$place" ]; then
  echo '{"sha256": ""}'
  exit
fi
ask -f "$MLFLOW_TRACKING_URI/api/2.0/mlflow-artifacts/artifacts/${place#mlflow-artifacts:/}/serving/predictor.json" >"/tmp/$LAB-predictor"
echo "{\"sha256\": \"$(sha256sum <"/tmp/$LAB-predictor" | cut -d' ' -f1)\"}"
