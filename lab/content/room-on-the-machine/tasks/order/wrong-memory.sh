# Memory alone is not enough.
kubectl set resources deployment scorer --requests=cpu=10m,memory=32Mi --limits=memory=32Mi
kubectl rollout status deployment scorer --timeout 60s
