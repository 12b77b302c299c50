# One replica in service loses its cache. Those that are out of service go.
kubectl delete pods -n "$LAB" -l 'app=model-sick' --wait=false --grace-period=0 --force
kubectl scale deployment model -n "$LAB" --replicas=3
kubectl get pods -n "$LAB" -o json | jq -r '.items[] | select((.metadata.name | startswith("model-")) and .metadata.labels.app != "model" and .metadata.deletionTimestamp == null) | .metadata.name' |
  xargs -r kubectl delete pods -n "$LAB" --wait=false --grace-period=0 --force
sleep 1 # until those that are too many have been told to go
address=$(kubectl get pods -n "$LAB" -l app=model -o json | jq -r '[.items[] | select(.metadata.deletionTimestamp == null and .status.podIP != null)] | sort_by(.metadata.uid)[0].status.podIP')
curl -sf -m 4 --retry 3 --retry-delay 1 --retry-all-errors -X POST "http://$address:8080/cold"
