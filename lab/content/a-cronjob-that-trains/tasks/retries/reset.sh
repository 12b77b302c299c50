kubectl patch cronjob train --type merge -p '{"spec":{"jobTemplate":{"spec":{"backoffLimit":null,"activeDeadlineSeconds":null}}}}'
kubectl delete job enough --ignore-not-found --wait=false
kubectl delete pods -l job-name=enough --grace-period=0 --force --ignore-not-found --wait=false
