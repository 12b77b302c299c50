kubectl scale deployment model --replicas=5
kubectl rollout status deployment/model --timeout=100s
