# As it lies there: the server trains a model of its own.
kubectl apply -f server.yaml
kubectl rollout status deployment server --timeout 60s
