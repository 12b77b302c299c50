kubectl patch cronjob train -p '{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"train","command":["python3","/app/train.py"]}]}}}}}}'
kubectl set env cronjob/train MLFLOW_TRACKING_USERNAME-
job=again-$(date +%s)
kubectl create job "$job" --from=cronjob/train
kubectl wait --for=condition=complete "job/$job" --timeout 80s
