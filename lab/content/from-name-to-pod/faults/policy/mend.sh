kubectl delete networkpolicy only-neighbours
