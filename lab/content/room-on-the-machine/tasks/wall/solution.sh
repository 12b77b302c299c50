sed 's/requests: {cpu: 10m, memory: 32Mi}/requests: {cpu: 10m, memory: 96Mi}/; s/limits: {memory: 32Mi}/limits: {memory: 96Mi}/' batch.yaml > batch-96.yaml
# What was changed since then stays, if it runs.
kubectl get deployment batch -o jsonpath="{.status.readyReplicas}" 2>/dev/null | grep -q . || kubectl apply -f batch-96.yaml
kubectl rollout status deployment batch --timeout 90s
