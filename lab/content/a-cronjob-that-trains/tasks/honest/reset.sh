kubectl delete job proof --ignore-not-found --wait=false
kubectl delete pods -l job-name=proof --grace-period=0 --force --ignore-not-found --wait=false
