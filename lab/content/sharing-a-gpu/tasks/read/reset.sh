kubectl delete configmap gpus --ignore-not-found
