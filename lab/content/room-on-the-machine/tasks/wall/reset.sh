kubectl delete deployment batch --ignore-not-found --wait=false
kubectl delete pods -l app=batch --grace-period=0 --force --ignore-not-found --wait=false
