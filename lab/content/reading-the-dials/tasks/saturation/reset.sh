kubectl patch configmap dials -n "$LAB" --type merge -p '{"data": {"saturation": null}}'
kubectl set env deployment/caller -n "$LAB" RATE=4
kubectl scale deployment model -n "$LAB" --replicas=3
