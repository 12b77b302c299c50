sleep 15
slow=$(curl -s -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" --data-urlencode "query=topk(1,
    sum by (pod) (rate(model_busy_seconds_total{namespace=\"$LAB\"}[15s])) and on (pod) (up{namespace=\"$LAB\"} == 1))" \
  "$PROMETHEUS_URL/api/v1/query" | jq -r '.data.result[0].metric.pod')
kubectl label pod "$slow" app=model-cold --overwrite
