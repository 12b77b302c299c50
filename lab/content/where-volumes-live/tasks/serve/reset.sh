kubectl delete deployment,service server --ignore-not-found --wait=false
kubectl delete pods -l app=server --grace-period=0 --force --ignore-not-found --wait=false
