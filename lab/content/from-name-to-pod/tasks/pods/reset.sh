kubectl delete deployment model --ignore-not-found --wait=false
kubectl delete pods -l app=model --grace-period=0 --force --ignore-not-found --wait=false
kubectl delete configmap model --ignore-not-found
