kubectl set resources deployment batch --requests=cpu=10m,memory=60Mi --limits=memory=96Mi
kubectl scale deployment batch --replicas 3
kubectl rollout status deployment batch --timeout 90s
