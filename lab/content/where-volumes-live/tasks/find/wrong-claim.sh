# The claim's name and the path in the pod, instead of the volume's name and the path on the node.
kubectl create configmap where --from-literal=volume=models --from-literal=node=here --from-literal=path=/models \
  --dry-run=client -o yaml | kubectl apply -f -
