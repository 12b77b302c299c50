kubectl patch configmap findings -n "$LAB" --type merge -p '{"data": {"predictor": null}}'
