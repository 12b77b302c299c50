kubectl patch deployment scorer -p '{"spec":{"template":{"spec":{"containers":[{"name":"worker","resources":{"requests":{"cpu":"10m","memory":"32Mi"},"limits":{"cpu":null,"memory":"128Mi"}}}]}}}}'
kubectl delete pods -l app=scorer --grace-period=0 --force --wait=false
