kubectl delete deployment server --ignore-not-found --wait=false
kubectl delete job train --ignore-not-found --wait=false
kubectl delete pods -l app=server --grace-period=0 --force --ignore-not-found --wait=false
kubectl delete pods -l job-name=train --grace-period=0 --force --ignore-not-found --wait=false
# A claim that is still going would swallow the next one of its name.
kubectl delete pvc models --ignore-not-found --timeout=8s
