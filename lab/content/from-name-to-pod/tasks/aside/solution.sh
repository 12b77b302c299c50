aside=$(kubectl get pods -l 'app!=model' -o name | grep pod/model- || true)
if [ -z "$aside" ]; then
  pod=$(kubectl get pods -l app=model -o name | head -n 1)
  kubectl label "$pod" app-
fi
kubectl rollout status deployment model --timeout 60s
