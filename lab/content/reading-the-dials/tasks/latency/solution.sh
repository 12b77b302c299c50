sh dial.sh p95 "histogram_quantile(0.95, sum by (le) (rate(model_request_seconds_bucket{namespace=\"$LAB\"}[1m])))"
