kubectl patch configmap dials -n "$LAB" --type merge -p '{"data": {"rate": null}}'
