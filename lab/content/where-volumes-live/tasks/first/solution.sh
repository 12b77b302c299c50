kubectl create configmap app --from-file=train.py --from-file=server.py --dry-run=client -o yaml | kubectl apply -f -
sed 's/claimName: .*}/claimName: models}/' train.yaml > train-models.yaml
if ! kubectl apply -f train-models.yaml; then
  kubectl delete job train
  kubectl apply -f train-models.yaml
fi
kubectl wait --for=condition=complete job/train --timeout 60s
