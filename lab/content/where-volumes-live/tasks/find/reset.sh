kubectl delete configmap where --ignore-not-found
