kubectl patch configmap dials -n "$LAB" --type merge -p '{"data": {"errors": null}}'
