curl -s -m 3 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -H 'Content-Type: application/json' \
  -X DELETE -d "{\"name\": \"$LAB\"}" "$MLFLOW_TRACKING_URI/api/2.0/mlflow/registered-models/delete"
