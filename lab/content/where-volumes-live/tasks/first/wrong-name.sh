# As it lies there: no claim has that name.
kubectl create configmap app --from-file=train.py --from-file=server.py --dry-run=client -o yaml | kubectl apply -f -
kubectl apply -f train.yaml
