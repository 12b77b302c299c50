# The Deployment is the learner's: it may not be there.
if kubectl get deployment batch >/dev/null 2>&1; then
  kubectl scale deployment batch --replicas 1
  kubectl set resources deployment batch --requests=cpu=10m,memory=96Mi --limits=memory=96Mi
fi
