# As it lies there, with 20 MiB.
kubectl apply -f claim.yaml
