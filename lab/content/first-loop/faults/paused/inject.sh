ask() { curl -sf -m 5 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' "$@"; }
deployment=$API_URL/deployments/$PROJECT
ask -X POST -d '{"version": 1, "reason": "weekend"}' "$deployment/promote" >/dev/null
for try in $(seq 20); do
  ask "$deployment" | jq -e '.version == "1" and .revision.state == "live"' >/dev/null && break
  sleep 0.5
done
ask -X POST -d "{}" "$deployment/pause"
