kubectl set env cronjob/train DATASET-
job=again-$(date +%s)
kubectl create job "$job" --from=cronjob/train
kubectl wait --for=condition=complete "job/$job" --timeout 80s
