kubectl patch cronjob train -p '{"spec":{"schedule":"0 3 1 1 *","concurrencyPolicy":"Allow"}}'
jobs=$(kubectl get jobs -o name | grep -E 'job.batch/train-[0-9]+$' || true)
if [ -n "$jobs" ]; then
  kubectl delete $jobs --wait=false
fi
