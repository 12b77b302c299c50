kubectl patch service model -p '{"spec": {"publishNotReadyAddresses": false}}'
kubectl delete deployment model-next --ignore-not-found --wait=false
