sh dial.sh rate "rate(model_requests_total{namespace=\"$LAB\"}[1m])"
