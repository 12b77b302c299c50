all="model_requests_total{namespace=\"$LAB\"}"
bad="model_requests_total{namespace=\"$LAB\",status=~\"5..\"}"
sh dial.sh errors "sum(rate(${bad}[1m])) / sum(rate(${all}[1m]))"
