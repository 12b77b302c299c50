kubectl -n "$LAB" delete deployment,service hello --ignore-not-found --wait=false
kubectl -n "$LAB" delete pods -l app=hello --grace-period=0 --force --ignore-not-found --wait=false
