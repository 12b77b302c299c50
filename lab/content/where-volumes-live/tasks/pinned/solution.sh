node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
sed "s/nodeName: THE-NODE/nodeSelector: {kubernetes.io\/hostname: $node}/" notebook.yaml > selected.yaml
if ! kubectl apply -f selected.yaml; then
  kubectl delete pod notebook
  kubectl apply -f selected.yaml
fi
kubectl wait --for=condition=ready pod/notebook --timeout 60s
