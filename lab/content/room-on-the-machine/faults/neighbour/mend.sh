kubectl delete deployment report
kubectl wait --for=delete pod -l app=report --timeout 30s
# The ReplicaSet waits longer after each refusal; a restart asks at once.
kubectl rollout restart deployment batch
kubectl rollout status deployment batch --timeout 60s
