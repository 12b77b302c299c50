kubectl delete pod notebook --grace-period=0 --force --ignore-not-found --wait=false
kubectl delete pvc notebook --ignore-not-found --timeout=8s
