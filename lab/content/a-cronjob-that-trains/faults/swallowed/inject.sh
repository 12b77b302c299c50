kubectl patch cronjob train -p '{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"train","command":["busybox","sh","-c","python3 /app/train.py 2>&1 | busybox tee /tmp/train.log"],"env":[{"name":"MLFLOW_TRACKING_USERNAME","value":"trainer-2","valueFrom":null}]}]}}}}}}'
job=nightly-$(date +%s)
kubectl create job "$job" --from=cronjob/train
kubectl wait --for=condition=complete "job/$job" --timeout 60s
