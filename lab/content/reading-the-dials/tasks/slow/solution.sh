# The slowest of those that run, if one needs much longer than the others. Prometheus needs some seconds to see it.
for try in 1 2 3 4 5 6 7 8; do
  slow=$(curl -s -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" --data-urlencode "query=topk(1,
      (sum by (pod) (rate(model_request_seconds_sum{namespace=\"$LAB\"}[20s])) / sum by (pod) (rate(model_request_seconds_count{namespace=\"$LAB\"}[20s]))
        > 0.25) and on (pod) (up{namespace=\"$LAB\"} == 1))" "$PROMETHEUS_URL/api/v1/query" | jq -r '.data.result[0].metric.pod // empty')
  # Prometheus may still name a pod that has gone.
  if [ -n "$slow" ] && kubectl label pod "$slow" app=model-sick --overwrite; then
    break
  fi
  sleep 3
done
kubectl rollout status deployment/model --timeout=100s
