kubectl delete deployment trainer --ignore-not-found --wait=false
kubectl delete pods -l app=trainer --now --wait=false
