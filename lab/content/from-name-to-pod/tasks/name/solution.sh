kubectl set env deployment/shop MODEL_URL=http://model
kubectl rollout status deployment shop --timeout 60s
