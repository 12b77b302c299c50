# The Deployment makes another pod, which takes the GPU again.
kubectl delete pods -l app=notebook --now
