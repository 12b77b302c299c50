# Usage: sh hopeless.sh NAME
# Starts a Job NAME like the CronJob's, but with a dataset that does not exist.
set -eu
kubectl delete job "$1" --ignore-not-found
kubectl create job "$1" --from=cronjob/train --dry-run=client -o yaml |
  kubectl set env --local -f - DATASET=beer -o yaml |
  kubectl apply -f -
