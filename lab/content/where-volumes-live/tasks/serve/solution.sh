kubectl create configmap app --from-file=train.py --from-file=server.py --dry-run=client -o yaml | kubectl apply -f -
sed 's/emptyDir: {}/persistentVolumeClaim: {claimName: models}/' server.yaml > server-models.yaml
kubectl apply -f server-models.yaml
kubectl rollout status deployment server --timeout 90s
