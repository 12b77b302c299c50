# One replica has lost its cache. Which one, its metrics tell.
kubectl rollout status deployment/model -n "$LAB" --timeout=100s
address=$(kubectl get pods -n "$LAB" -l app=model -o json | jq -r '[.items[] | select(.metadata.deletionTimestamp == null)] | sort_by(.metadata.uid)[0].status.podIP')
curl -sf -m 4 --retry 3 --retry-delay 1 --retry-all-errors -X POST "http://$address:8080/cold"
