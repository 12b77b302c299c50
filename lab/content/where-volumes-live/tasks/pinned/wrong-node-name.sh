# The deadlock.
node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
sed "s/THE-NODE/$node/" notebook.yaml > pinned.yaml
kubectl apply -f pinned.yaml
