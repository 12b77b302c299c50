api() { path=$1; shift; curl -sS --fail-with-body -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H "Content-Type: application/json" "$@" "$API_URL/$path"; }
api "projects/$PROJECT/gates" -X PUT -d '{"metrics": {"latency_p95_ms": {"maximum": 20}}}'
