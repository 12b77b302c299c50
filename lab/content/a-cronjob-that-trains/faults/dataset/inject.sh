kubectl set env cronjob/train DATASET=wines
job=nightly-$(date +%s)
kubectl create job "$job" --from=cronjob/train
n=0
until [ "$(kubectl get job "$job" -o jsonpath='{.status.failed}')" ] || [ $n -ge 40 ]; do
  n=$((n + 1))
  sleep 0.5
done
