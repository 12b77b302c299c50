kubectl set resources deployment batch --requests=cpu=10m,memory=60Mi
kubectl rollout status deployment batch --timeout 80s
