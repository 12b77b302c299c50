# What the dial rate reads, and what it should read: {expression, problem, series, value, want}.
want="sum(rate(model_requests_total{namespace=\"$LAB\"}[1m]))"
expression=$(kubectl get configmap dials -n "$LAB" -o jsonpath='{.data.rate}' --ignore-not-found)
ask() {
  curl -s -m 3 -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" --data-urlencode "query=$1" "$PROMETHEUS_URL/api/v1/query"
}
right=$(ask "$want")
read=$(ask "${expression:-vector(0)}")
jq -n --arg expression "$expression" --argjson right "$right" --argjson read "$read" '
  def values: if .status != "success" then [] elif .data.resultType == "scalar" then [.data.result[1]]
    else [.data.result[] | (.value // .values[-1])[1]] end;
  def number: tonumber | if isnan or isinfinite then null else (. * 1000 | round) / 1000 end;
  if $right.status != "success" then error($right.error) else
  {expression: $expression, problem: ($read.error // ""), series: ($read | values | length),
   value: ($read | values | (.[0] // "NaN") | number), want: ($right | values | (.[0] // "NaN") | number)} end'
