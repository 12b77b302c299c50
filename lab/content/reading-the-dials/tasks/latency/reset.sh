kubectl patch configmap dials -n "$LAB" --type merge -p '{"data": {"p95": null}}'
