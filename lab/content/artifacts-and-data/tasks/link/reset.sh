kubectl delete configmap ci --ignore-not-found
