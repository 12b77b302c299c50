volume=$(kubectl get pvc models -o jsonpath='{.spec.volumeName}')
node=$(kubectl get pv "$volume" -o jsonpath='{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}')
path=$(kubectl get pv "$volume" -o jsonpath='{.spec.hostPath.path}{.spec.local.path}')
kubectl create configmap where --from-literal=volume="$volume" --from-literal=node="$node" --from-literal=path="$path" \
  --dry-run=client -o yaml | kubectl apply -f -
