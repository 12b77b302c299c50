kubectl patch cronjob train -p '{"spec":{"jobTemplate":{"spec":{"activeDeadlineSeconds":300}}}}'
job=again-$(date +%s)
kubectl create job "$job" --from=cronjob/train
kubectl wait --for=condition=complete "job/$job" --timeout 80s
