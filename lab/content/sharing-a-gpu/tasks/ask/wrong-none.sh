# As it is: no GPU, and so no nvidia-smi.
kubectl delete pod smi --ignore-not-found --now
kubectl apply -f smi.yaml
