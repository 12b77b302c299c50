sh dial.sh rate "sum(rate(model_requests_total{namespace=\"$LAB\"}[1m]))"
