# Asks the machine: sh api.sh /api/deployments/NAME, or with a body: sh api.sh /api/deployments/NAME/promote '{"version": 1}'
# A body is sent by POST; a third word says otherwise: sh api.sh /api/projects/NAME/gates '{}' PUT
if [ $# -gt 1 ]; then
  set -- "$1" -X "${3:-POST}" -H 'Content-Type: application/json' -d "$2"
fi
path=${1#/api}
shift
curl -s -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" "$@" "$API_URL$path" | jq .
