kubectl delete job train --ignore-not-found --wait=false
kubectl delete pods -l job-name=train --grace-period=0 --force --ignore-not-found --wait=false
