# As it lies there.
kubectl apply -f batch.yaml
