# 03:00 on the first of January stays; a Job by hand is not one of the schedule's.
kubectl patch cronjob train -p '{"spec":{"concurrencyPolicy":"Forbid"}}'
kubectl delete job by-hand --ignore-not-found
kubectl create job by-hand --from=cronjob/train
kubectl wait --for=condition=complete job/by-hand --timeout 100s
