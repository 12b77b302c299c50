sh dial.sh rate "sum(model_requests_total{namespace=\"$LAB\"})"
