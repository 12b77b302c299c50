kubectl set env deployment/model MODEL=v3
kubectl rollout status deployment/model --timeout=5s || true
kubectl set env deployment/model MODEL=v2
kubectl rollout status deployment/model --timeout=100s
