kubectl set env deployment/scorer ALIAS=champion
kubectl rollout status deployment/scorer --timeout=100s
