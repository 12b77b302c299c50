# A tag makes no committee of the version that is there: it has served before, but nobody calls it by that name.
curl -sS -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" "$MLFLOW_TRACKING_URI/api/2.0/mlflow/model-versions/set-tag" \
	-H 'Content-Type: application/json' -d "{\"name\": \"$PROJECT\", \"version\": \"1\", \"key\": \"type\", \"value\": \"committee\"}"
