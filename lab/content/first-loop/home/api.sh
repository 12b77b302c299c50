# Asks the lab: sh api.sh /api/deployments/NAME, or with a body: sh api.sh /api/deployments/NAME/promote '{"version": 1}'
if [ $# -gt 1 ]; then
  set -- "$1" -X "${3:-POST}" -H 'Content-Type: application/json' -d "$2"
fi
path=${1#/api}
shift
curl -s -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" "$@" "$API_URL$path" | jq .
