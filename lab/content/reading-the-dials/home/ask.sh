# Asks Prometheus: sh ask.sh 'up{namespace="${LAB}"}'
curl -s -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" --data-urlencode "query=$1" "$PROMETHEUS_URL/api/v1/query" |
  jq -r 'if .status != "success" then "Prometheus says: " + (.error // tostring)
    elif .data.resultType == "scalar" then .data.result[1]
    elif (.data.result | length) == 0 then "no series"
    else .data.result[] | (.value // .values[-1])[1] + "   " + ([.metric | to_entries[] | .key + "=" + .value] | join(" ")) end'
