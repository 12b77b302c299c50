kubectl delete configmap plan --ignore-not-found
