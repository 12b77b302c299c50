sh dial.sh errors "sum(rate(model_requests_total{namespace=\"$LAB\",status!=\"200\"}[1m])) / sum(rate(model_requests_total{namespace=\"$LAB\"}[1m]))"
