kubectl set resources deployment scorer --requests=cpu=20m,memory=32Mi --limits=cpu=20m,memory=32Mi
kubectl rollout status deployment scorer --timeout 90s
