sh dial.sh p95 "sum(rate(model_request_seconds_sum{namespace=\"$LAB\"}[1m])) / sum(rate(model_request_seconds_count{namespace=\"$LAB\"}[1m]))"
