kubectl patch configmap findings -n "$LAB" --type merge -p '{"data": {"grower": null}}'
