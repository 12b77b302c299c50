sed 's/storage: .*/storage: 200Mi/' claim.yaml > claim-200.yaml
if ! kubectl apply -f claim-200.yaml; then
  kubectl delete pvc models
  kubectl apply -f claim-200.yaml
fi
