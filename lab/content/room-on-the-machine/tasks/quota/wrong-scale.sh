# Three are wanted, but they reserve too much.
kubectl scale deployment batch --replicas 3
