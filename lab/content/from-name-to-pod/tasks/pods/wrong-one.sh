# One pod only.
kubectl create configmap model --from-file=server.py --from-file=coefficients.json --dry-run=client -o yaml | kubectl apply -f -
kubectl apply -f deployment.yaml
kubectl rollout status deployment model --timeout 60s
