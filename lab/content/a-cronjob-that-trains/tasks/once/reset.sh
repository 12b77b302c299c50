kubectl delete cronjob train --ignore-not-found --wait=false
kubectl delete jobs --all --wait=false
kubectl delete pods -l job-name --grace-period=0 --force --wait=false
kubectl delete configmap trainer --ignore-not-found
