kubectl -n "$LAB" delete configmap greeting --ignore-not-found
