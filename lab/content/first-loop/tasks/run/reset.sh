kubectl patch configmap findings -n "$LAB" --type merge -p '{"data": {"version": null, "run": null, "dataset": null}}'
