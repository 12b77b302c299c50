kubectl delete configmap leak --ignore-not-found
