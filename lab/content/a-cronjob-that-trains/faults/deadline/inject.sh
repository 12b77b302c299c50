kubectl patch cronjob train -p '{"spec":{"jobTemplate":{"spec":{"activeDeadlineSeconds":1}}}}'
job=nightly-$(date +%s)
kubectl create job "$job" --from=cronjob/train
kubectl wait --for=condition=failed "job/$job" --timeout 40s
