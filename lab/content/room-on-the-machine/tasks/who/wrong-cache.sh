# The first of the list, without a look.
kubectl scale deployment cache --replicas 0
