kubectl scale deployment cache scorer --replicas 1
kubectl scale deployment features --replicas 0
kubectl wait --for=delete pod -l app=features --timeout 60s
