pods=$(kubectl get pods -l 'app!=model' -o name | grep pod/model- || true)
if [ -n "$pods" ]; then
  kubectl delete $pods --grace-period=0 --force --wait=false
fi
